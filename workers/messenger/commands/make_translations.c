/*
 * make_translations NAME [--delete_old_translations]: brings a translation set up to the texts of
 * the source, which scripts/texts2h.awk collected when this was built.
 *
 * New texts are added without a translation; texts that the source has no more are kept, inactive,
 * and named. With the option the whole set is made anew, and its translations are gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "make_translations_sql.h"
#include "own.h"
#include "source_texts.h"
#include "text.h"
#include "translations.h"

enum { LINE_BYTES_MAX = 64 << 10 };

/* As the help of the original has it, too, misspelt. */
#define SPELLINGS                                                \
    "NAME [--delete_old_translations|--delete-old-translations|" \
    "--delete_old_transaltions]"

static bool is_delete(const char *word)
{
    static const char *const spellings[] = { "--delete_old_translations",
                                             "--delete-old-translations",
                                             "--delete_old_transaltions" };

    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcmp(spellings[i], word) == 0)
            return true;
    return false;
}

static int read_words(struct run *run, const char **ret_name, bool *ret_delete)
{
    const char *name = NULL;

    for (int i = 0; i < run->argc; i++)
        if (is_delete(run->argv[i]))
            *ret_delete = true;
        else if (!name && run->argv[i][0] != '-')
            name = run->argv[i];
        else
            return run_failed(run, -EDOM, "want NAME [--delete_old_translations]");
    if (!name)
        return run_failed(run, -EDOM, "want NAME [--delete_old_translations]");
    *ret_name = name;
    return translation_check_name(run, name);
}

/* The texts as a JSON list, for the statements. */
static char *list_texts(void)
{
    cJSON *list = cJSON_CreateArray();
    char *text = NULL;
    bool whole = list;

    for (size_t i = 0; whole && source_texts[i]; i++)
        whole = cJSON_AddItemToArray(list, cJSON_CreateString(source_texts[i]));
    if (whole)
        text = cJSON_PrintUnformatted(list);
    cJSON_Delete(list);
    return text;
}

static void warn_of_retired(const struct rows *rows)
{
    OWN_BUF struct buf line = { 0 };

    buf_init(&line, LINE_BYTES_MAX);
    for (int row = 0; row < rows->count; row++) {
        const char *text = rows_text(rows, row, 0);

        buf_clear(&line);
        if (text_add_escaped(&line, text, strlen(text)) == 0)
            (void)printf("no longer in the source: %s\n", line.p);
    }
}

static int make(struct run *run, const char *name, const char *list, bool delete)
{
    OWN_ROWS struct rows retired = { 0 };
    OWN_ROWS struct rows made = { 0 };
    OWN_ROWS struct rows forgotten = { 0 };
    int r = db_begin(run->db);

    if (r == 0 && delete)
        r = db_run(run->db, &sql[SQL_FORGET], &forgotten, name);
    if (r == 0)
        r = db_run(run->db, &sql[SQL_RETIRE], &retired, name, list);
    if (r == 0)
        r = db_run(run->db, &sql[SQL_MAKE], &made, name, list);
    if (r == 0)
        r = db_commit(run->db);
    if (r < 0)
        return run_db_failed(run, r, "make the translation");
    if (delete)
        (void)printf("deleted: %lld\n", (long long)forgotten.affected);
    warn_of_retired(&retired);
    (void)printf("new: %s, back: %s, no longer used: %d\nTranslation %s has been made\n",
                 rows_text(&made, 0, 0), rows_text(&made, 0, 1), retired.count, name);
    return 0;
}

static int make_translations(struct run *run)
{
    OWN(free) char *list = NULL;
    const char *name = NULL;
    bool delete = false;
    int r = read_words(run, &name, &delete);

    if (r < 0)
        return r;
    list = list_texts();
    if (!list)
        return run_failed(run, -ENOMEM, "out of memory");
    return make(run, name, list, delete);
}

const struct worker worker = {
    .app = "messenger",
    .name = "make_translations",
    .about = "bring a translation set up to the texts of the source",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = make_translations,
    .arguments = SPELLINGS,
};
