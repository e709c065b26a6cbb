#ifndef CASHIER_SCAN_H
#define CASHIER_SCAN_H
/*
 * What the chain says about some of our addresses: first lists, which say where to look, then
 * receipts, which say what was paid. Nothing is decided here; the outcome is for cashier.settle.
 *
 *     scan_begin(&scan, …)      the addresses
 *     scan_lists(&scan)         transactions that were listed, in scan.listed
 *     scan_receipts(&scan, …)   about those that the database wants to know of
 *     scan_write(&scan, …)      both as JSON
 *
 * Whatever had no usable answer leaves its address not whole, and is logged; the others go on.
 */
#include "traffic.h"

struct account;  /* one address */
struct sighting; /* one transaction at one address */

struct scan {
    struct run *run;
    const struct trongrid *tron;
    struct traffic traffic;
    int64_t height; /* of the chain; -1: not known */
    int64_t required;
    struct account *accounts;
    int accounts_count;
    cJSON *listed; /* [{"account", "txid", "time"}], account from 0 */
    struct sighting *sightings;
    int sightings_count;
};

/* rows: address, since in milliseconds; they outlive the scan, which is of count of them from first
 * on, and empty before (all zero but run, tron, height, required). Returns 0 or -ENOMEM, logged. */
int scan_begin(struct scan *scan, const struct rows *rows, int first, int count);

/* One call for an address, more only where a page is full. Returns 0 or what ended it, logged. */
int scan_lists(struct scan *scan);

/* rows: txid, account, time in milliseconds, by txid; they outlive the scan. Each transaction is
 * asked about once, and once more when it may be final. Returns as scan_lists. */
int scan_receipts(struct scan *scan, const struct rows *rows);

/* The parameters of cashier.settle; the caller frees both. Returns 0 or -ENOMEM, logged. */
int scan_write(const struct scan *scan, char **ret_scans, char **ret_seen);

/* Addresses that are not whole. */
int scan_failed(const struct scan *scan);

void scan_done(struct scan *scan);

#define OWN_SCAN __attribute__((cleanup(scan_done)))

#endif
