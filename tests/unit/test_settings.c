/* The table of settings, and what each kind accepts. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "settings.h"

enum { UNTOUCHED = 9999 };

static void every_row_is_sound(void **state)
{
    struct err why = { "" };
    int64_t number;

    (void)state;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];

        assert_ptr_equal(setting_find(s->name), s); /* so no name is given twice */
        assert_true(s->help && *s->help);
        assert_non_null(setting_kind_name(s->kind));
        if (s->fallback && *s->fallback && setting_check(s, s->fallback, &number, &why) < 0)
            fail_msg("default of %s: %s", s->name, why.text);
    }
    assert_null(setting_find("database_url"));
}

static void values_are_checked_by_kind(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name, *value;
        int want;
        int64_t number;
        const char *complaint;
    } rows[] = {
        { "BILLING_CONCURRENCY",    "8",      0, 8, NULL },
        { "BILLING_CONCURRENCY",    "0",      -EINVAL, 0, "whole number from 1 to 256, got \"0\"" },
        { "BILLING_CONCURRENCY",    "257",    -EINVAL, 0, "from 1 to 256" },
        { "BILLING_CONCURRENCY",    "8.0",    -EINVAL, 0, "got \"8.0\"" },
        { "BILLING_CONCURRENCY",    " 8",     -EINVAL, 0, "whole number" },
        { "TELEGRAM_ADMIN_CHAT_ID", "-1001234567890", 0, -1001234567890, NULL },
        { "TELEGRAM_ADMIN_CHAT_ID", "@admins", -EINVAL, 0, "want a whole number, got \"@admins\"" },
        { "BILLING_MATCH_WINDOW",   "1h30m",  0, 5400000, NULL },
        { "BILLING_MATCH_WINDOW",   "60000",  0, 60000, NULL },
        { "BILLING_MATCH_WINDOW",   "59s",    -EINVAL, 0, "from 60000ms" },
        { "BILLING_MATCH_WINDOW",   "soon",   -EINVAL, 0, "got \"soon\"" },
        { "FIELD_ENCRYPTION_KEY",   "abc",    -EINVAL, 0, "opsctl generate_field_encryption_key" },
        { "FIELD_ENCRYPTION_KEY",   "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", 0, 0, NULL },
        { "BILLING_TZ",             "UTC",    0, 0, NULL },
        { "BILLING_TZ",             "America/Sao_Paulo", 0, 0, NULL },
        { "BILLING_TZ",             "Mars/Olympus", -EINVAL, 0, "time zone" },
        { "BILLING_TZ",             "Europe", -EINVAL, 0, "time zone" },
        { "BILLING_TZ",             "../../../etc/passwd", -EINVAL, 0, "time zone" },
        { "BILLING_TZ",             "/usr/share/zoneinfo/UTC", -EINVAL, 0, "time zone" },
        { "BILLING_TZ",             "tzdata.zi", -EINVAL, 0, "time zone" },
        { "YOOKASSA_URL",           "https://api.yookassa.ru/v3", 0, 0, NULL },
        { "YOOKASSA_URL",           "http://127.0.0.1:8099/v3", 0, 0, NULL },
        { "YOOKASSA_URL",           "http://example.org/v3", -EINVAL, 0, "https" },
        { "YOOKASSA_URL",           "nothing", -EINVAL, 0, "" },
        { "YOOKASSA_SHOP_ID",       "\xff",   -EINVAL, 0, "UTF-8" },
        { "YOOKASSA_SECRET_KEY",    "any text", 0, 0, NULL },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t number = UNTOUCHED;
        struct err why = { "" };
        int r = setting_check(setting_find(rows[i].name), rows[i].value, &number, &why);

        if (r != rows[i].want || (rows[i].complaint && !strstr(why.text, rows[i].complaint)))
            fail_msg("%s=%s: %d \"%s\"", rows[i].name, rows[i].value, r, why.text);
        assert_int_equal(number, r < 0 ? UNTOUCHED : rows[i].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_sound),
        cmocka_unit_test(values_are_checked_by_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
