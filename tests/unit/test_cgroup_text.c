/* What the kernel says of control groups. The samples are of real machines, abridged. */
#include "test.h"

#include <string.h>

#include "cgroup_text.h"

#define V2_ONLY                                                                        \
    "22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"                          \
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n" \
    "31 22 0:27 / /sys/fs/pstore rw,nosuid shared:10 - pstore pstore rw\n"

#define HYBRID                                                          \
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"        \
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" \
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

/* A container that sees the whole hierarchy beside its own part of it. */
#define CONTAINER                                                            \
    "700 690 0:26 /docker/ab /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n" \
    "701 690 0:26 / /host\\040groups/\\134x rw - cgroup2 cgroup rw"

static void assert_folders(const char *mountinfo, const char *own, const char *const *want)
{
    char folder[PATH_MAX];

    for (; *want; want++) {
        assert_true(cgroup_text_next_folder(&mountinfo, own, folder));
        assert_string_equal(folder, *want);
    }
    assert_false(cgroup_text_next_folder(&mountinfo, own, folder));
}

#define FOLDERS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void the_folder_of_a_group_is_found_through_its_mount(void **state)
{
    (void)state;
    assert_folders(V2_ONLY, "/", FOLDERS("/sys/fs/cgroup"));
    assert_folders(V2_ONLY, "/system.slice/opsd.service",
                   FOLDERS("/sys/fs/cgroup/system.slice/opsd.service"));
    assert_folders(HYBRID, "/", FOLDERS("/sys/fs/cgroup/unified"));
    assert_folders(HYBRID, "/a b", FOLDERS("/sys/fs/cgroup/unified/a b"));
}

static void a_mount_of_a_part_shows_what_is_in_that_part(void **state)
{
    (void)state;
    assert_folders(CONTAINER, "/docker/ab",
                   FOLDERS("/sys/fs/cgroup", "/host groups/\\x/docker/ab"));
    assert_folders(CONTAINER, "/docker/ab/w",
                   FOLDERS("/sys/fs/cgroup/w", "/host groups/\\x/docker/ab/w"));
    assert_folders(CONTAINER, "/docker/abc", FOLDERS("/host groups/\\x/docker/abc"));
    assert_folders(CONTAINER, "/", FOLDERS("/host groups/\\x"));
}

static void what_is_no_mount_of_version_2_is_passed_over(void **state)
{
    static const char *const none[] = {
        "",
        "\n\n",
        "31 23 0:28\n",
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "35 31 0:32 / /mnt rw master:1 - ext4 cgroup2 rw\n",
        "35 31 0:32 / /mnt rw\n36 31 0:32 / x - cgroup2",
        "35 31 0:32 / /cgroup2 rw cgroup2\n",
    };
    const char *const *nothing = FOLDERS();

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_folders(none[i], "/", nothing);
}

static void a_path_that_is_too_long_is_no_path(void **state)
{
    static char text[3 * PATH_MAX], own[PATH_MAX];

    (void)state;
    memset(own, 'a', sizeof own - 1);
    own[0] = '/';
    assert_folders(HYBRID, own, FOLDERS());
    (void)snprintf(text, sizeof text, "1 2 0:3 / /%s rw - cgroup2 cgroup2 rw\n%s", own, HYBRID);
    assert_folders(text, "/", FOLDERS("/sys/fs/cgroup/unified"));
    (void)snprintf(text, sizeof text, "0::/%s/\n", own);
    assert_false(cgroup_text_own(text, own));
}

static void our_own_group_is_that_of_version_2(void **state)
{
    char own[PATH_MAX];

    (void)state;
    assert_true(cgroup_text_own("4:memory:/v1\n1:cpu:/\n0::/\n", own));
    assert_string_equal(own, "/");
    assert_true(cgroup_text_own("0::/user.slice/session-2.scope", own));
    assert_string_equal(own, "/user.slice/session-2.scope");
    assert_false(cgroup_text_own("", own));
    assert_false(cgroup_text_own("4:memory:/v1\n10::/x\n1:name=systemd:/\n", own));
    assert_false(cgroup_text_own("0::/../other\n", own));
    assert_false(cgroup_text_own("0::/..\n", own));
    assert_true(cgroup_text_own("0::/..odd\n", own));
}

static void numbers_and_words_are_read_as_a_whole(void **state)
{
    int64_t number = 7;

    (void)state;
    assert_true(cgroup_text_number("populated 0\nfrozen 1\n", "frozen", &number));
    assert_int_equal(number, 1);
    assert_true(cgroup_text_number("anon 12345678901\nfile 2\n", "anon", &number));
    assert_int_equal(number, 12345678901);
    assert_false(cgroup_text_number("anon_thp 4\ninactive_anon 3\n", "anon", &number));
    assert_false(cgroup_text_number("", "anon", &number));
    assert_int_equal(number, 12345678901);
    assert_true(cgroup_text_has("cpuset cpu memory\n", "memory"));
    assert_true(cgroup_text_has("memory", "memory"));
    assert_false(cgroup_text_has("memory_x xmemory\n", "memory"));
    assert_false(cgroup_text_has("", "memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_of_a_group_is_found_through_its_mount),
        cmocka_unit_test(a_mount_of_a_part_shows_what_is_in_that_part),
        cmocka_unit_test(what_is_no_mount_of_version_2_is_passed_over),
        cmocka_unit_test(a_path_that_is_too_long_is_no_path),
        cmocka_unit_test(our_own_group_is_that_of_version_2),
        cmocka_unit_test(numbers_and_words_are_read_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
