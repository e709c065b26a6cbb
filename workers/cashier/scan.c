/*
 * Lists and receipts for a batch of addresses. One bad answer spoils one address.
 */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "instant.h"
#include "limits.h"
#include "own.h"

/* Ten thousand transfers to one address within a day: more is no list, but one that does not end.
 */
enum { PAGES_MOST = 50 };

/* A node that lags does not know a transaction yet that the index lists. After an hour it is none
 * that lags: the transaction is not on the chain. */
enum { LAG_MOST_MS = 60 * 60 * 1000 };

enum { QUESTION_LIST, QUESTION_RECEIPT, QUESTION_SOLID };

struct account {
    const char *text; /* a borrow */
    unsigned char address[TRON_ADDRESS_BYTES];
    int64_t since; /* what the next page begins with */
    char *fingerprint;
    int pages;
    bool whole;   /* all of the list was read, and nothing is open about what is in it */
    bool spoiled; /* and said to be */
};

struct sighting {
    const char *txid; /* a borrow */
    int account;
    int64_t listed_ms;
    bool known, final;
    int64_t block, time_ms;
    char *amount; /* NULL: it moves nothing to the address */
    unsigned char from[TRON_ADDRESS_BYTES];
};

/* --- lists */

static void spoil(struct scan *scan, int account, const char *why)
{
    struct account *spoiled = &scan->accounts[account];

    if (!spoiled->spoiled)
        log_warn("an address could not be read; the next run reads it again",
                 LOG_TEXT("address", spoiled->text), LOG_TEXT("why", why));
    spoiled->whole = false;
    spoiled->spoiled = true;
}

static int ask_list(const struct scan *scan, int subject, void *tag)
{
    const struct account *account = &scan->accounts[subject];

    return trongrid_ask_list(scan->tron,
                             &(struct trongrid_list){ .address = account->text,
                                                      .since = account->since,
                                                      .fingerprint = account->fingerprint },
                             tag);
}

static int keep_listed(struct scan *scan, int subject, const struct trongrid_item *item)
{
    cJSON *listed = cJSON_CreateObject();

    if (listed && cJSON_AddItemToArray(scan->listed, listed) &&
        json_put_int(listed, "account", subject) && json_put_text(listed, "txid", item->txid) &&
        json_put_int(listed, "time", item->time))
        return 0;
    return -ENOMEM;
}

/* The index is not trusted with the filters it was asked to apply. */
static int take_items(struct scan *scan, int subject, const struct trongrid_page *page,
                      int64_t *ret_last, struct err *reterr)
{
    const struct account *account = &scan->accounts[subject];
    struct trongrid_item item = { .ours = false };
    int64_t last = account->since;
    const cJSON *json;
    int r;

    cJSON_ArrayForEach(json, page->items)
    {
        r = trongrid_read_item(scan->tron, json, account->address, &item, reterr);
        if (r == 0 && item.ours && item.time >= account->since)
            r = keep_listed(scan, subject, &item);
        if (r < 0)
            return r;
        last = item.time > last ? item.time : last;
    }
    *ret_last = last;
    return 0;
}

/* After a page that is full, or says how to go on: by its fingerprint, or where the index forgot
 * that, from its last instant on anew; what comes twice is noticed later. */
static int turn_page(struct scan *scan, int subject, const char *fingerprint, int64_t last,
                     struct err *reterr)
{
    struct account *account = &scan->accounts[subject];

    if (++account->pages == PAGES_MOST || (!fingerprint && last == account->since))
        return err_set(reterr, -EBADMSG, "the list does not go on");
    free(account->fingerprint);
    account->fingerprint = NULL;
    if (fingerprint) {
        account->fingerprint = strdup(fingerprint);
        if (!account->fingerprint)
            return -ENOMEM;
    } else {
        account->since = last;
    }
    return traffic_add(&scan->traffic, QUESTION_LIST, subject);
}

static int take_list(struct scan *scan, int subject, const struct trongrid_answer *answer)
{
    struct trongrid_page page;
    struct err why = answer->why;
    int64_t last = 0;
    int r = -EBADMSG;

    if (answer->verdict == TRONGRID_ANSWER)
        r = trongrid_read_page(answer->json, &page, &why);
    if (r == 0)
        r = take_items(scan, subject, &page, &last, &why);
    if (r == 0 && (page.count >= TRON_PAGE_ITEMS || (page.count && page.fingerprint)))
        r = turn_page(scan, subject, page.fingerprint, last, &why);
    else if (r == 0)
        scan->accounts[subject].whole = true;
    if (r == -EBADMSG)
        spoil(scan, subject, why.text);
    return r == -EBADMSG ? 0 : r;
}

/* --- receipts: a question's subject is the first sighting of the transaction */

static int ask_receipt(const struct scan *scan, const struct question *question, void *tag)
{
    return trongrid_ask_receipt(scan->tron, scan->sightings[question->subject].txid,
                                question->kind == QUESTION_SOLID, tag);
}

static bool is_same_transaction(const struct scan *scan, int first, int other)
{
    return other < scan->sightings_count &&
           strcmp(scan->sightings[first].txid, scan->sightings[other].txid) == 0;
}

static int take_sum(struct scan *scan, struct sighting *sighting,
                    const struct trongrid_receipt *receipt)
{
    struct trongrid_sum sum = { 0 };
    int r;

    r = trongrid_read_sum(scan->tron, receipt, scan->accounts[sighting->account].address, &sum,
                          NULL);
    if (r < 0)
        return r;
    sighting->known = true;
    sighting->block = receipt->block;
    sighting->time_ms = receipt->time > 0 ? receipt->time : sighting->listed_ms;
    sighting->amount = sum.amount;
    memcpy(sighting->from, sum.from, sizeof sighting->from);
    return 0;
}

static int64_t confirmations_of(const struct scan *scan, int64_t block)
{
    /* Nodes lag behind each other, so the height may be that of one which is behind. */
    return scan->height > block ? scan->height - block : 0;
}

/* Nobody knows it: a fork took it away, or this node has not got it yet. */
static void take_absence(struct scan *scan, struct sighting *sighting)
{
    sighting->known = true;
    sighting->time_ms = sighting->listed_ms;
    if (scan->run->now_ms - sighting->listed_ms < LAG_MOST_MS)
        scan->accounts[sighting->account].whole = false;
}

static int take_receipt(struct scan *scan, int subject, const struct trongrid_receipt *receipt)
{
    int r = 0;

    for (int i = subject; r == 0 && is_same_transaction(scan, subject, i); i++)
        if (receipt->known)
            r = take_sum(scan, &scan->sightings[i], receipt);
        else
            take_absence(scan, &scan->sightings[i]);
    if (r < 0 || !receipt->known || confirmations_of(scan, receipt->block) < scan->required)
        return r;
    return traffic_add(&scan->traffic, QUESTION_SOLID, subject);
}

static bool is_same_amount(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Final is what the solid part of the chain says, too, and says in the same block. */
static int take_solid(struct scan *scan, int subject, const struct trongrid_receipt *receipt)
{
    int r = 0;

    for (int i = subject; r == 0 && is_same_transaction(scan, subject, i); i++) {
        struct sighting *sighting = &scan->sightings[i];
        struct trongrid_sum sum = { 0 };

        r = trongrid_read_sum(scan->tron, receipt, scan->accounts[sighting->account].address, &sum,
                              NULL);
        sighting->final = r == 0 && receipt->known && receipt->block == sighting->block &&
                          is_same_amount(sum.amount, sighting->amount);
        free(sum.amount);
    }
    return r;
}

/* Without an answer, all addresses of the transaction stay open. */
static void spoil_all(struct scan *scan, int subject, const char *why)
{
    for (int i = subject; is_same_transaction(scan, subject, i); i++)
        spoil(scan, scan->sightings[i].account, why);
}

static int take_transaction(struct scan *scan, const struct question *question,
                            const struct trongrid_answer *answer)
{
    struct trongrid_receipt receipt;
    struct err why = answer->why;
    int r = -EBADMSG;

    if (answer->verdict == TRONGRID_ANSWER)
        r = trongrid_read_receipt(answer->json, scan->sightings[question->subject].txid, &receipt,
                                  &why);
    if (r < 0)
        spoil_all(scan, question->subject, why.text);
    else if (question->kind == QUESTION_SOLID)
        return take_solid(scan, question->subject, &receipt);
    else
        return take_receipt(scan, question->subject, &receipt);
    return 0;
}

/* --- both */

static int ask(void *context, const struct question *question, void *tag)
{
    const struct scan *scan = context;

    return question->kind == QUESTION_LIST ? ask_list(scan, question->subject, tag)
                                           : ask_receipt(scan, question, tag);
}

static int take(void *context, const struct question *question,
                const struct trongrid_answer *answer)
{
    struct scan *scan = context;

    return question->kind == QUESTION_LIST ? take_list(scan, question->subject, answer)
                                           : take_transaction(scan, question, answer);
}

int scan_begin(struct scan *scan, const struct rows *rows, int first, int count)
{
    struct account *account;

    scan->traffic.run = scan->run;
    scan->traffic.context = scan;
    scan->traffic.ask = ask;
    scan->traffic.take = take;
    scan->listed = cJSON_CreateArray();
    scan->accounts = calloc((size_t)count + 1, sizeof *scan->accounts);
    if (!scan->listed || !scan->accounts)
        return run_failed(scan->run, -ENOMEM, "out of memory");
    scan->accounts_count = count;
    for (int i = 0; i < count; i++) {
        account = &scan->accounts[i];
        account->text = rows_text(rows, first + i, 0);
        account->since = rows_int(rows, first + i, 1);
        if (tron_address_parse(account->text, account->address) < 0)
            spoil(scan, i, "it is no address of Tron");
        else if (traffic_add(&scan->traffic, QUESTION_LIST, i) < 0)
            return run_failed(scan->run, -ENOMEM, "out of memory");
    }
    return 0;
}

int scan_lists(struct scan *scan)
{
    return traffic_run(&scan->traffic);
}

int scan_receipts(struct scan *scan, const struct rows *rows)
{
    struct sighting *sighting;
    int r;

    scan->sightings = calloc((size_t)rows->count + 1, sizeof *scan->sightings);
    if (!scan->sightings)
        return run_failed(scan->run, -ENOMEM, "out of memory");
    scan->sightings_count = rows->count;
    for (int i = 0; i < rows->count; i++) {
        sighting = &scan->sightings[i];
        sighting->txid = rows_text(rows, i, 0);
        sighting->account = (int)rows_int(rows, i, 1);
        sighting->listed_ms = rows_int(rows, i, 2);
        if ((i == 0 || strcmp(sighting->txid, sighting[-1].txid) != 0) &&
            traffic_add(&scan->traffic, QUESTION_RECEIPT, i) < 0)
            return run_failed(scan->run, -ENOMEM, "out of memory");
    }
    r = traffic_run(&scan->traffic);
    /* Questions that were given up have nobody to tell of. */
    for (int i = 0; i < rows->count; i++)
        if (!scan->sightings[i].known)
            scan->accounts[scan->sightings[i].account].whole = false;
    return r;
}

/* --- as JSON */

static bool put_account(cJSON *scans, const struct account *account)
{
    cJSON *json = cJSON_CreateObject();

    return json && cJSON_AddItemToArray(scans, json) &&
           json_put_text(json, "address", account->text) &&
           json_put_bool(json, "whole", account->whole);
}

/* The token's smallest unit is a millionth; "1500000e-6" is 1.5 to numeric. */
static bool put_amount(cJSON *json, const char *amount)
{
    OWN_BUF struct buf text = { 0 };

    buf_init(&text, 256);
    return buf_printf(&text, "%se-6", amount) == 0 && json_put_text(json, "amount", text.p);
}

static bool put_sighting(const struct scan *scan, cJSON *seen, const struct sighting *sighting)
{
    cJSON *json = cJSON_CreateObject();
    char time[INSTANT_TEXT_MAX], from[BASE58CHECK_TEXT_MAX];

    return json && cJSON_AddItemToArray(seen, json) &&
           tron_address_print(sighting->from, from) == 0 &&
           json_put_text(json, "address", scan->accounts[sighting->account].text) &&
           json_put_text(json, "txid", sighting->txid) &&
           json_put_bool(json, "on_chain", sighting->amount != NULL) &&
           json_put_bool(json, "final", sighting->final) &&
           json_put_int(json, "confirmations",
                        sighting->amount ? confirmations_of(scan, sighting->block) : 0) &&
           json_put_text(json, "block_time", instant_print(sighting->time_ms, time)) &&
           (!sighting->amount ||
            (json_put_text(json, "from_address", from) && put_amount(json, sighting->amount) &&
             json_put_int(json, "block_number", sighting->block)));
}

int scan_write(const struct scan *scan, char **ret_scans, char **ret_seen)
{
    OWN(json) cJSON *scans = cJSON_CreateArray();
    OWN(json) cJSON *seen = cJSON_CreateArray();
    bool good = scans && seen;

    for (int i = 0; good && i < scan->accounts_count; i++)
        good = put_account(scans, &scan->accounts[i]);
    for (int i = 0; good && i < scan->sightings_count; i++)
        if (scan->sightings[i].known)
            good = put_sighting(scan, seen, &scan->sightings[i]);
    *ret_scans = good ? cJSON_PrintUnformatted(scans) : NULL;
    *ret_seen = good ? cJSON_PrintUnformatted(seen) : NULL;
    return *ret_scans && *ret_seen ? 0 : run_failed(scan->run, -ENOMEM, "out of memory");
}

int scan_failed(const struct scan *scan)
{
    int failed = 0;

    for (int i = 0; i < scan->accounts_count; i++)
        failed += !scan->accounts[i].whole;
    return failed;
}

void scan_done(struct scan *scan)
{
    for (int i = 0; i < scan->accounts_count; i++)
        free(scan->accounts[i].fingerprint);
    for (int i = 0; i < scan->sightings_count; i++)
        free(scan->sightings[i].amount);
    free(scan->accounts);
    free(scan->sightings);
    cJSON_Delete(scan->listed);
    traffic_done(&scan->traffic);
}
