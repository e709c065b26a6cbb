# sql2h.awk: turns FOLDER/NAME.sql into a C header, so that SQL lives in files that psql can run and
# the binary still needs no file beside it.
#
#     -- name: due_rows
#     select id from billing.subscription where ended_at < $1;
#
# becomes SQL_DUE_ROWS of an enum that ends with SQL_COUNT, and { "NAME.due_rows", 1, "select …" }
# of the table sql[]. What an app's workers share (FOLDER/FOLDER.sql) has the app in its names,
# BILLING_SQL_DUE_ROWS and billing_sql[], so that a file may include both headers.
#
# Comments are left out. Parameters are counted outside of quotes; a repeated name, a gap in the
# numbers ($1 and $3), two statements under one name and text before the first name are errors.

function fail(line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text > "/dev/stderr"
    failed = 1
    exit 1
}

# Adds to the statement; outside of quotes, lines that are empty are dropped.
function put(text, quoted) {
    if (ended && text !~ /^[ \t\n;]$/)
        fail(first, name ": a second statement follows the first")
    if (text == "\n" && !quoted && row ~ /^[ \t]*$/) {
        row = ""
        return
    }
    row = row text
    if (text == "\n" && !quoted) {
        clean = clean row
        row = ""
    }
}

# Length of the quoted piece that begins rest, which may be longer than a line; a doubled quote
# stands for itself and so is read as two pieces.
function quoted_length(rest, quote,    end) {
    end = index(substr(rest, length(quote) + 1), quote)
    if (!end)
        fail(first, name ": " quote " is not closed")
    return end + 2 * length(quote) - 1
}

function comment_length(rest,    i, depth) {
    if (substr(rest, 1, 2) == "--")
        return match(rest, /\n/) ? RSTART - 1 : length(rest)
    for (i = 1; i <= length(rest); i++) {
        if (substr(rest, i, 2) == "/*") {
            depth++
            i++
        } else if (substr(rest, i, 2) == "*/") {
            i++
            if (!--depth)
                return i
        }
    }
    fail(first, name ": the comment is not closed")
}

# Fills clean with the statement without comments and used[] with the parameters' numbers.
function scan(text,    n, c, word) {
    clean = row = ""
    split("", used)
    most = ended = 0
    while (text != "") {
        c = substr(text, 1, 1)
        n = 1
        if (match(text, /^[A-Za-z_][A-Za-z0-9_$]*/)) {
            put(substr(text, 1, RLENGTH))
            n = RLENGTH
            # E'…' alone understands backslashes; standard_conforming_strings is on everywhere else.
            if (n == 1 && c ~ /[Ee]/ && substr(text, 2, 1) == "'")
                fail(first, name ": write the character itself instead of E'…'")
        } else if (text ~ /^--/ || text ~ /^\/\*/) {
            n = comment_length(text)
        } else if (c == "'" || c == "\"") {
            n = quoted_length(text, c)
            put(substr(text, 1, n), 1)
        } else if (match(text, /^\$([A-Za-z_][A-Za-z0-9_]*)?\$/)) {
            n = quoted_length(text, substr(text, 1, RLENGTH))
            put(substr(text, 1, n), 1)
        } else if (match(text, /^\$[0-9]+/)) {
            n = RLENGTH
            word = substr(text, 2, n - 1) + 0
            used[word] = 1
            if (word > most)
                most = word
            put(substr(text, 1, n))
        } else {
            put(c)
            if (c == ";")
                ended = 1
        }
        text = substr(text, n + 1)
    }
    put("\n")
}

function c_text(text,    lines, n, i, out) {
    sub(/[ \t\n;]*$/, "", text)
    n = split(text, lines, "\n")
    for (i = 1; i <= n; i++) {
        gsub(/\\/, "&&", lines[i])
        gsub(/"/, "\\\"", lines[i])
        out = out "\n      \"" lines[i] (i < n ? "\\n" : "") "\""
    }
    return out
}

function finish(    i) {
    if (!name)
        return
    scan(body)
    if (clean ~ /^[ \t\n;]*$/)
        fail(first, name ": no statement")
    for (i = 1; i <= most; i++)
        if (!(i in used))
            fail(first, name ": $" i " is missing, $" most " is used")
    count++
    names[count] = name
    params[count] = most
    texts[count] = c_text(clean)
}

FNR == 1 {
    parts = split(FILENAME, path, "/")
    stem = path[parts]
    sub(/\.sql$/, "", stem)
    shared = parts > 1 && path[parts - 1] == stem
}

/^--[ \t]*name:/ {
    finish()
    if ($0 !~ /^-- name: [a-z][a-z0-9_]*[ \t]*$/)
        fail(FNR, "want `-- name: lower_case_name`")
    name = $3
    first = FNR
    body = ""
    if (name in seen)
        fail(FNR, name " is given twice, first in line " seen[name])
    seen[name] = FNR
    next
}

name { body = body $0 "\n" }

!name && !/^[ \t]*(--.*)?$/ { fail(FNR, "want `-- name: ...` before the first statement") }

END {
    if (failed)
        exit 1
    finish()
    prefix = shared ? toupper(stem) "_SQL_" : "SQL_"
    printf "/* Made by scripts/sql2h.awk from %s. */\n#include \"db.h\"\n\nenum {\n", FILENAME
    for (i = 1; i <= count; i++)
        printf "    %s%s,\n", prefix, toupper(names[i])
    printf "    %sCOUNT,\n};\n\n", prefix
    # The empty last row keeps the array legal when there is no statement at all.
    printf "static const struct statement %s[%sCOUNT + 1] = {\n", shared ? stem "_sql" : "sql", prefix
    for (i = 1; i <= count; i++)
        printf "    { \"%s.%s\", %d,%s },\n", stem, names[i], params[i], texts[i]
    print "    { 0 },\n};"
}
