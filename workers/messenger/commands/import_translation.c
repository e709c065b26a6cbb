/*
 * import_translation NAME [FILE]: reads what export_translation wrote, translated.
 *
 * The whole file is checked first, and all that is wrong is said at once; then all of it is taken,
 * or nothing. A text for an id that the set does not have is passed over with a warning.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "import_translation_sql.h"
#include "json.h"
#include "own.h"
#include "telegram_text.h"
#include "text.h"
#include "texts.h"
#include "translations.h"

/* Ten times what the source may ever have; rows are compared with each other. */
enum { ROWS_MAX = 10000, ID_TEXT_MAX = 24 };

struct import {
    cJSON *file; /* as read */
    cJSON *rows; /* for the statement */
    int bad;
};

static void import_done(struct import *import)
{
    cJSON_Delete(import->file);
    cJSON_Delete(import->rows);
}
#define OWN_IMPORT __attribute__((cleanup(import_done)))

/* --- what may be wrong with one --- */

/* A part is whole HTML: where the text is not, or is more than one message, they differ. */
static int compare_part(void *context, const char *part, size_t n)
{
    const char *text = context;

    return strncmp(text, part, n) == 0 && !text[n] ? 0 : -EINVAL;
}

/* Telegram would refuse each message that holds it. */
static int check_html(char *text, struct err *reterr)
{
    int r = telegram_split(text, TELEGRAM_TEXT_MAX, compare_part, text, NULL);

    return r < 0 ? err_set(reterr, r, "the translation is too long, or not all tags are closed")
                 : 0;
}

static int check_fields(const char *from, const char *to, struct err *reterr)
{
    size_t n;
    const char *strange = text_strange_field(to, from, &n);

    return strange ? err_set(reterr, -EINVAL, "the text has no {{%.*s}}", (int)n, strange) : 0;
}

static int check_row(const cJSON *row, struct err *reterr)
{
    const char *from = cJSON_GetStringValue(cJSON_GetArrayItem(row, 0));
    char *to = cJSON_GetStringValue(cJSON_GetArrayItem(row, 1));
    char canonical[ID_TEXT_MAX];
    int64_t id;
    int r;

    if (text_to_int(row->string, 1, INT64_MAX, &id) < 0)
        return err_set(reterr, -EINVAL, "want an id, a whole number from 1");
    (void)snprintf(canonical, sizeof canonical, "%" PRId64, id);
    if (strcmp(canonical, row->string) != 0)
        return err_set(reterr, -EINVAL, "want an id without leading zeros");
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != 2 || !from || !to)
        return err_set(reterr, -EINVAL, "want [\"text\", \"translation\"]");
    if (!from[strspn(from, " \t\r\n")])
        return err_set(reterr, -EINVAL, "the text is empty");
    r = check_fields(from, to, reterr);
    return r == 0 && *to ? check_html(to, reterr) : r;
}

/* Two ids with the same text, by its normal form: the set has each text once. */
static int add_text(cJSON *seen, const cJSON *row, struct err *reterr)
{
    OWN_BUF struct buf key = { 0 };
    const char *before;

    buf_init(&key, TRANSLATION_FILE_MAX);
    if (text_add_key(&key, cJSON_GetArrayItem(row, 0)->valuestring) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    before = json_get_text(seen, key.p);
    if (before)
        return err_set(reterr, -EINVAL, "the same text as %s", before);
    return json_put_text(seen, key.p, row->string) ? 0 : err_set(reterr, -ENOMEM, "out of memory");
}

/* --- the file --- */

static bool add_row(struct import *import, const cJSON *row)
{
    cJSON *added = cJSON_CreateArray();

    return cJSON_AddItemToArray(import->rows, added) &&
           cJSON_AddItemToArray(added, cJSON_CreateString(row->string)) &&
           cJSON_AddItemToArray(added, cJSON_Duplicate(cJSON_GetArrayItem(row, 0), 1)) &&
           cJSON_AddItemToArray(added, cJSON_Duplicate(cJSON_GetArrayItem(row, 1), 1));
}

static int check_rows(struct import *import, struct err *reterr)
{
    OWN(json) cJSON *seen = cJSON_CreateObject();
    const cJSON *row;

    import->rows = cJSON_CreateArray();
    cJSON_ArrayForEach(row, import->file)
    {
        struct err why;

        if (check_row(row, &why) < 0 || add_text(seen, row, &why) < 0) {
            import->bad++;
            (void)fprintf(stderr, "\"%s\": %s\n", row->string, why.text);
        } else if (!add_row(import, row)) {
            return err_set(reterr, -ENOMEM, "out of memory");
        }
    }
    return import->bad ? err_set(reterr, -EINVAL, "%d errors; nothing was imported", import->bad)
                       : 0;
}

static int read_file(struct import *import, const char *path, struct err *reterr)
{
    OWN(free) char *text = NULL;
    struct err why;
    size_t n;
    int r = file_read(path, TRANSLATION_FILE_MAX, &text, &n);

    if (r < 0)
        return err_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
    r = json_parse(text, n, &import->file, &why);
    if (r < 0)
        return err_set(reterr, r, "%s: %s", path, why.text);
    if (!cJSON_IsObject(import->file))
        return err_set(reterr, -EINVAL, "%s: want {\"ID\": [\"text\", \"translation\"]}", path);
    if (cJSON_GetArraySize(import->file) > ROWS_MAX)
        return err_set(reterr, -EINVAL, "%s: more than %d texts", path, ROWS_MAX);
    return check_rows(import, reterr);
}

/* --- the set --- */

static bool is_taken(const struct rows *rows, const char *id)
{
    for (int row = 0; row < rows->count; row++)
        if (strcmp(rows_text(rows, row, 0), id) == 0)
            return true;
    return false;
}

static int store(struct run *run, const struct import *import, const char *name)
{
    OWN(free) char *list = cJSON_PrintUnformatted(import->rows);
    OWN_ROWS struct rows rows = { 0 };
    const cJSON *row;
    int r;

    if (!list)
        return run_failed(run, -ENOMEM, "out of memory");
    r = db_run(run->db, &sql[SQL_IMPORT], &rows, name, list);
    if (r < 0)
        return run_db_failed(run, r, "import the translation");
    if (rows.count < cJSON_GetArraySize(import->rows))
        cJSON_ArrayForEach(row, import->file)
        {
            if (!is_taken(&rows, row->string))
                (void)printf("warning: %s has no text \"%s\", passed over\n", name, row->string);
        }
    (void)printf("%s %d texts of %s\n", run->dry_run ? "would import" : "imported", rows.count,
                 name);
    return 0;
}

static int import_translation(struct run *run)
{
    OWN_IMPORT struct import import = { 0 };
    char path[TRANSLATION_PATH_MAX];
    struct err why;
    int r;

    if (run->argc != 1 && run->argc != 2)
        return run_failed(run, -EDOM, "want NAME [FILE]");
    r = translation_check_name(run, run->argv[0]);
    if (r < 0)
        return r;
    r = read_file(&import, run->argc == 2 ? run->argv[1] : translation_path(run->argv[0], path),
                  &why);
    if (r == -ENOENT && run->argc == 1)
        r = err_set(&why, r, "there is no %s here; `opsctl export_translation %s` writes it", path,
                    run->argv[0]);
    return r < 0 ? run_failed(run, r == -EAGAIN ? -EIO : r, why.text)
                 : store(run, &import, run->argv[0]);
}

const struct worker worker = {
    .app = "messenger",
    .name = "import_translation",
    .about = "read a translation set from export/NAME_translation.json or FILE",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = import_translation,
    .arguments = "NAME [FILE]",
};
