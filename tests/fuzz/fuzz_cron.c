/*
 * Any text as a schedule. What is accepted is due, later than it was asked for, in every zone that
 * moves its clock oddly; the last tick of a span is the one before the next; and it can be said in
 * words. What is refused has a sentence.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cron_words.h"
#include "own.h"
#include "zone.h"

enum { WORDS_MAX = 16 << 10, TICKS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void assert_goes_on(const struct cron *cron, const char *zone_name, int64_t at)
{
    const struct zone *zone;
    int64_t next, last;
    struct err err;

    assert(zone_open(zone_name, &zone, &err) == 0);
    for (int i = 0; i < TICKS; i++, at = next) {
        assert(cron_next(cron, zone, at, &next) == 0 && next > at);
        assert(cron_last(cron, zone, at, next, &last) == 0 && last == next);
        assert(cron_last(cron, zone, at, next - 1, &last) < 0);
    }
}

static void assert_can_be_said(const struct cron *cron)
{
    struct buf words = { 0 };

    buf_init(&words, WORDS_MAX);
    assert(cron_words(cron, &words) == 0 && words.len);
    buf_done(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    OWN(free) char *text = strndup((const char *)data, n);
    struct cron cron;
    struct err err = { "" };

    if (cron_parse(text, &cron, &err) < 0) {
        assert(err.text[0]);
        return 0;
    }
    assert_goes_on(&cron, "UTC", -1);
    assert_goes_on(&cron, "Europe/London", 1774659600000);       /* hours before a gap */
    assert_goes_on(&cron, "Australia/Lord_Howe", 1775300000000); /* half an hour comes twice */
    assert_goes_on(&cron, "Pacific/Apia", 1325160000000);        /* a day that never was */
    assert_can_be_said(&cron);
    return 0;
}
