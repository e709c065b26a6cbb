# texts2h.awk: collects the texts to customers from the sources named on the command line into a C
# table, each once, sorted by where it stands first.
#
#     C     _("Hello, {{name}}!\n" "Bye")           adjacent literals are one text
#     SQL   messenger.translate($1, 'It''s over')   the second argument, written out
#
# Texts are normalised as messenger.text_key does it: on one line, a line end being the characters
# \n. Comments are left out. A mark whose text is not written out is an error: it would never be
# translated.

function fail(text) {
    printf "%s: %s, near: %s\n", name, text, substr(rest, 1, index(rest, "\n") - 1) > "/dev/stderr"
    failed = 1
    exit 1
}

# The normal form of a text in which \n stands for a line end.
function text_key(text) {
    gsub(/[ \t\r\n]+/, " ", text)
    gsub(/\\n /, "\\n", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    return text
}

function keep(text) {
    text = text_key(text)
    if (text == "")
        fail("an empty text")
    if (!(text in seen)) {
        seen[text] = 1
        texts[++count] = text
    }
}

# Takes white space and comments from the front of rest.
function skip(    before) {
    do {
        before = length(rest)
        sub(/^[ \t\r\n]+/, "", rest)
        if (sql)
            sub(/^--[^\n]*/, "", rest)
        else
            sub(/^\/\/[^\n]*/, "", rest)
        if (substr(rest, 1, 2) == "/*")
            rest = index(rest, "*/") ? substr(rest, index(rest, "*/") + 2) : ""
    } while (length(rest) < before)
}

# --- C

# Takes a string literal from the front of rest and returns what is written in it, with \n as it is
# and every other escape resolved.
function c_literal(    text) {
    if (!match(rest, /^"([^"\\\n]|\\[^\n])*"/))
        fail("want a text written out")
    text = substr(rest, 2, RLENGTH - 2)
    rest = substr(rest, RLENGTH + 1)
    if (text ~ /\\[^n"]/)
        fail("only \\n and \\\" may be escaped in a text to customers")
    gsub(/\\"/, "\"", text)
    return text
}

function c_text(    text) {
    skip()
    text = c_literal()
    for (skip(); substr(rest, 1, 1) == "\""; skip())
        text = text c_literal()
    if (substr(rest, 1, 1) != ")")
        fail("want a text written out, and nothing else, in _()")
    keep(text)
}

function scan_c() {
    for (skip(); rest != ""; skip()) {
        if (match(rest, /^[A-Za-z_][A-Za-z0-9_]*/)) {
            word = substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
            if (word == "_" && !definition && substr(rest, 1, 1) == "(") {
                rest = substr(rest, 2)
                c_text()
            }
            definition = word == "define"
        } else if (match(rest, /^"([^"\\]|\\.)*"/) || match(rest, /^'([^'\\]|\\.)*'/) ||
                   match(rest, /^[0-9][A-Za-z0-9_.]*/)) {
            rest = substr(rest, RLENGTH + 1)
        } else {
            rest = substr(rest, 2)
        }
    }
}

# --- SQL

function sql_text(    text) {
    if (!match(rest, /^\([^,'()]*(\([^'()]*\)[^,'()]*)*,/))
        fail("want messenger.translate(SET, 'text' ...")
    rest = substr(rest, RLENGTH + 1)
    skip()
    if (!match(rest, /^'([^']|'')*'/))
        fail("want the text of messenger.translate written out")
    text = substr(rest, 2, RLENGTH - 2)
    rest = substr(rest, RLENGTH + 1)
    gsub(/''/, "'", text)
    gsub(/\n/, "\\n", text)
    keep(text)
}

function scan_sql() {
    for (skip(); rest != ""; skip()) {
        if (match(rest, /^[A-Za-z_][A-Za-z0-9_.]*/)) {
            word = substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
            if (word == "messenger.translate" && !definition)
                sql_text()
            definition = word == "function"
        } else if (match(rest, /^'([^']|'')*'/) || match(rest, /^"[^"]*"/)) {
            rest = substr(rest, RLENGTH + 1)
        } else {
            rest = substr(rest, 2)
        }
    }
}

# ---

# Most files have no mark at all, and need not be read word by word.
function scan() {
    sql = name ~ /\.sql$/
    if (sql && index(rest, "messenger.translate("))
        scan_sql()
    else if (!sql && rest ~ /[^A-Za-z0-9_]_\(/)
        scan_c()
}

FNR == 1 {
    scan()
    rest = ""
    name = FILENAME
}

{ rest = rest $0 "\n" }

END {
    if (failed)
        exit 1
    scan()
    print "/* Made by scripts/texts2h.awk from the sources of the workers. */"
    print "static const char *const source_texts[] = {"
    for (i = 1; i <= count; i++) {
        gsub(/\\/, "&&", texts[i])
        gsub(/"/, "\\\"", texts[i])
        printf "    \"%s\",\n", texts[i]
    }
    print "    0,\n};"
}
