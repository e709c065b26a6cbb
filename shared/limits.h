#ifndef OPS_LIMITS_H
#define OPS_LIMITS_H
/*
 * Every limit of the project, with its reason.
 */

enum {
    /* http: the YooKassa server works up to 30 s before it answers 500 (its documentation advises
     * a client limit above that), so a shorter one would turn slow successes into unknowns. */
    HTTP_TIMEOUT_MS = 40000,
    HTTP_CONNECT_TIMEOUT_MS = 10000,
    /* A page of 1,000 Vendista transactions is about 1 MB. */
    HTTP_BODY_MAX = 16 << 20,
    HTTP_IN_FLIGHT_MAX = 256,
    HTTP_TRIES_MAX = 4,
    HTTP_RETRY_FIRST_MS = 1000,
    HTTP_RETRY_MOST_MS = 30000,
    /* A Retry-After beyond this is left to the next run instead of being waited for. */
    HTTP_RETRY_AFTER_MOST_MS = 60000,

    /* A list's filters and a long cursor fit; servers refuse more. */
    HTTP_URL_MAX = 8192,

    /* telegram: its server answers within seconds; a front end gives up after 60. */
    TELEGRAM_TIMEOUT_MS = 30000,
    /* A message comes back as JSON with all that it quotes; a page of updates is smaller. */
    TELEGRAM_BODY_MAX = 1 << 20,
    /* A worker that asks waits out a 429 of a minute; what takes longer is its next run's. */
    TELEGRAM_PATIENCE_MS = 60000,
    /* Each may have cost its time limit; one chat in trouble is not so many questions. */
    TELEGRAM_VAIN_MAX = 5,

    /* mail: an alert that takes longer is tried again; shorter than a stop may take. */
    MAIL_TIMEOUT_MS = 20000,

    /* As its FAQ has it, a bot sends 20 messages a minute to one group: each for itself, so that
     * the lane of bot and chat is where they are counted. */
    TELEGRAM_GROUP_PER_MINUTE = 20,

    /* fernet: it encrypts tokens, passwords and private keys, none of which comes near. */
    FERNET_BYTES_MAX = 1 << 20,

    /* db: a host that vanished is noticed well before an operator would. */
    DB_CONNECT_TIMEOUT_S = 10,
    /* Silence of 30 + 3 x 10 seconds, or data not acknowledged for as long, ends a connection. */
    DB_KEEPALIVE_IDLE_S = 30,
    DB_KEEPALIVE_INTERVAL_S = 10,
    DB_KEEPALIVE_COUNT = 3,
    DB_UNACKNOWLEDGED_MS = 60000,
    /* A server that restarts is back within seconds; a longer outage is the supervisor's to wait
     * for, since it shows it. */
    DB_CONNECT_PATIENCE_MS = 5000,
    /* The longest statement of ours is one update of a few hundred thousand rows. */
    DB_STATEMENT_TIMEOUT_MS = 300000,
    /* A server that has said nothing for so long has not even ended the statement in time: it
     * hangs, though its host answers. A host that vanished is noticed much sooner, see above. */
    DB_ANSWER_MS = DB_STATEMENT_TIMEOUT_MS + 30000,
    /* A statement that was sent when the worker was told to stop may end; what takes longer is
     * rolled back. Beyond what one item needs on a busy server, short for a person who waits. */
    DB_STOP_PATIENCE_MS = 3000,
    /* No transaction of ours waits for anything but the database. */
    DB_IDLE_IN_TRANSACTION_TIMEOUT_MS = 30000,

    /* queue: the first pause is longer than what a server needs to restart a process, the longest
     * short enough for a person who waits. */
    JOB_RETRY_FIRST_MS = 1000,
    JOB_RETRY_MOST_MS = 30000,
    /* Three beats may be lost; a dead process is noticed within QUEUE_SILENCE_S + QUEUE_BEAT_MS,
     * which is well under a minute. */
    QUEUE_BEAT_MS = 5000,
    QUEUE_SILENCE_S = 20,
    /* The rate is that of the last minute. */
    QUEUE_BEATS_KEPT = 60 * 1000 / QUEUE_BEAT_MS + 1,
    /* A job that takes its process down each time is not tried for ever. */
    QUEUE_INTERRUPTIONS_MAX = 5,
    /* Notifications may be lost together with a connection; nothing else depends on this. */
    QUEUE_POLL_MS = 1000,
    /* So soon, and so often at most, a server without room says that there is more. */
    QUEUE_TELL_MS = 50,
    /* A start is given away so long before its turn: longer than a transaction takes on a busy
     * machine, and short beside what a request takes, since the job counts as in flight. */
    QUEUE_LEAD_MS = 50,
    QUEUE_PRUNE_MS = 60000,
    /* What is in flight may take this long after the signal; together with QUEUE_LEAVE_MS it is
     * below kill_timeout's default of 1,600 ms. */
    QUEUE_STOP_MS = 1100,
    QUEUE_LEAVE_MS = 350,
    QUEUE_IN_FLIGHT_MAX = 1024,
    /* A failing statement is not repeated faster; and where that goes on (a full disk), less and
     * less often. */
    QUEUE_REST_MS = 200,
    QUEUE_REST_MOST_MS = 5000,

    /* worker: more often than opsctl repaints its table is more often than anybody can read. */
    WORKER_PROGRESS_MS = 250,
    /* Another migration run is waited for this long before it is left to the next attempt. */
    MIGRATE_PATIENCE_MS = 60000,
};

#endif
