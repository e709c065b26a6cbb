/*
 * export_translation NAME: writes a translation set to export/NAME_translation.json, for people who
 * translate: {"ID": ["text", "its translation or nothing"], ...}, which import_translation reads.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "export_translation_sql.h"
#include "file.h"
#include "own.h"
#include "translations.h"

static int add_text(struct buf *to, const char *text)
{
    cJSON *item = cJSON_CreateString(text);
    OWN(free) char *printed = item ? cJSON_PrintUnformatted(item) : NULL;

    cJSON_Delete(item);
    return printed ? buf_printf(to, "        %s", printed) : -ENOMEM;
}

/* One row, indented by 4 as the tool before ours did, so that files compare. */
static int add_row(struct buf *to, const struct rows *rows, int row)
{
    int r = buf_printf(to, "%s    \"%s\": [\n", row ? ",\n" : "", rows_text(rows, row, 0));

    if (r == 0)
        r = add_text(to, rows_text(rows, row, 1));
    if (r == 0)
        r = buf_add_text(to, ",\n");
    if (r == 0)
        r = add_text(to, rows_text(rows, row, 2));
    return r == 0 ? buf_add_text(to, "\n    ]") : r;
}

static int write_file(const struct rows *rows, const char *path)
{
    OWN_BUF struct buf text = { 0 };
    int r;

    buf_init(&text, TRANSLATION_FILE_MAX);
    r = buf_add_text(&text, "{\n");
    for (int row = 0; r == 0 && row < rows->count; row++)
        r = add_row(&text, rows, row);
    if (r == 0)
        r = buf_add_text(&text, "\n}\n");
    if (r == 0)
        r = file_make_dirs("export", 0777);
    return r == 0 ? file_replace(path, text.p, text.len, 0666) : r;
}

static int export_translation(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    char path[TRANSLATION_PATH_MAX];
    struct err why;
    int r;

    if (run->argc != 1)
        return run_failed(run, -EDOM, "want NAME");
    r = translation_check_name(run, run->argv[0]);
    if (r < 0)
        return r;
    r = db_run(run->db, &sql[SQL_ROWS], &rows, run->argv[0]);
    if (r < 0)
        return run_db_failed(run, r, "read the translation");
    (void)translation_path(run->argv[0], path);
    if (rows.count == 0)
        r = err_set(&why, -ENOENT, "no translation %s; make_translations makes it", run->argv[0]);
    else if (!run->dry_run)
        r = write_file(&rows, path);
    if (r == 0)
        (void)printf("%s %d texts to %s\n", run->dry_run ? "would write" : "wrote", rows.count,
                     path);
    else if (r != -ENOENT)
        (void)err_set(&why, r, "cannot write %s: %s", path, strerror(-r));
    return r < 0 ? run_failed(run, r, why.text) : 0;
}

const struct worker worker = {
    .app = "messenger",
    .name = "export_translation",
    .also = "export_export",
    .about = "write a translation set to export/NAME_translation.json",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = export_translation,
    .arguments = "NAME",
};
