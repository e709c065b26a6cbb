/* Users and groups as the database of this machine has them. */
#include "test.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"

static void is_opsd_when_nothing_is_said(void **state)
{
    struct credentials who;
    struct err why;

    (void)state;
    assert_int_equal(credentials_resolve(NULL, NULL, &who, &why), 0);
    assert_false(who.change && who.gid == getegid());
    assert_int_equal(who.uid, geteuid());
    credentials_done(&who);
    credentials_done(&who);
}

static void finds_names_and_numbers(void **state)
{
    const struct passwd *root = getpwuid(0);
    struct credentials by_name, by_number;
    struct err why;

    (void)state;
    if (!root)
        skip();
    assert_int_equal(credentials_find(root->pw_name, NULL, &by_name, &why), 0);
    assert_int_equal(credentials_find("0", NULL, &by_number, &why), 0);
    assert_int_equal(by_name.uid, 0);
    assert_int_equal(by_name.gid, by_number.gid);
    assert_string_equal(by_number.user, root->pw_name);
    assert_string_equal(by_number.home, root->pw_dir);
    assert_string_equal(by_number.shell, root->pw_shell);
    assert_int_equal(by_name.group_count, by_number.group_count);
    assert_memory_equal(by_name.groups, by_number.groups,
                        (size_t)by_name.group_count * sizeof *by_name.groups);
    credentials_done(&by_name);
    credentials_done(&by_number);
}

/* A number that no entry has. */
static void takes_a_number_without_an_entry_only_with_a_group(void **state)
{
    struct credentials who;
    struct err why;

    (void)state;
    if (getpwuid(3999999999U) || getgrgid(3999999998U))
        skip();
    assert_int_equal(credentials_find("3999999999", NULL, &who, &why), -EINVAL);
    assert_string_equal(why.text, "uid: no user has the number 3999999999: give gid, too");
    assert_int_equal(credentials_find("3999999999", "3999999998", &who, &why), 0);
    assert_int_equal(who.uid, 3999999999U);
    assert_int_equal(who.gid, 3999999998U);
    assert_int_equal(who.group_count, 1);
    assert_int_equal(who.groups[0], 3999999998U);
    assert_null(who.home);
    assert_true(who.change);
    credentials_done(&who);
}

static void names_what_there_is_not(void **state)
{
    struct credentials who = { .uid = 5 };
    struct err why;

    (void)state;
    assert_int_equal(credentials_find("no-such-user", NULL, &who, &why), -ENOENT);
    assert_string_equal(why.text, "uid: no such user: no-such-user");
    assert_int_equal(credentials_find(NULL, "no-such-group", &who, &why), -ENOENT);
    assert_string_equal(why.text, "gid: no such group: no-such-group");
    assert_int_equal(who.uid, 5);
}

/* The effective user only, so that it can be taken back. */
static void only_root_becomes_another(void **state)
{
    struct credentials who;
    struct err why;
    int user, group;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(seteuid(65534), 0);
    user = credentials_resolve("root", NULL, &who, &why);
    assert_int_equal(user, -EPERM);
    assert_string_equal(why.text, "cannot become user root: opsd does not run as root");
    group = credentials_resolve(NULL, "daemon", &who, &why);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(group, -EPERM);
    assert_string_equal(why.text, "cannot become group daemon: opsd does not run as root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_opsd_when_nothing_is_said),
        cmocka_unit_test(finds_names_and_numbers),
        cmocka_unit_test(takes_a_number_without_an_entry_only_with_a_group),
        cmocka_unit_test(names_what_there_is_not),
        cmocka_unit_test(only_root_becomes_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
