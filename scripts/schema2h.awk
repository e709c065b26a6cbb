# schema2h.awk: puts the migrations named on the command line into a C header, in the order in which
# they are applied: first those of shared/schema, then those of workers/APP/schema, by number.
#
# A file is called NNN-what.sql. The numbers are one sequence of the whole repository: a repeated
# one, or another form of name, is an error.

function fail(text) {
    printf "%s\n", text > "/dev/stderr"
    failed = 1
    exit 1
}

FNR == 1 {
    parts = split(FILENAME, path, "/")
    base = path[parts]
    if (base !~ /^[0-9][0-9][0-9]-[a-z0-9_-]+\.sql$/)
        fail(FILENAME ": want the name NNN-what.sql")
    number = substr(base, 1, 3) + 0
    if (number in file)
        fail(FILENAME ": the number of " file[number] " once more; take the next free one")
    file[number] = FILENAME
    # Numbers have three digits, so those of the workers sort behind all of shared/.
    rank[++count] = number + (FILENAME ~ /(^|\/)shared\/schema\// ? 0 : 1000)
}

{
    line = $0
    gsub(/\\/, "&&", line)
    gsub(/"/, "\\\"", line)
    text[number] = text[number] "\n      \"" line "\\n\""
}

END {
    if (failed)
        exit 1
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && rank[j - 1] > rank[j]; j--) {
            swap = rank[j]
            rank[j] = rank[j - 1]
            rank[j - 1] = swap
        }
    print "/* Made by scripts/schema2h.awk from shared/schema and workers/APP/schema. */"
    print "static const struct migration migrations[] = {"
    for (i = 1; i <= count; i++) {
        number = rank[i] % 1000
        printf "    { %d, \"%s\",%s },\n", number, file[number], text[number]
    }
    print "};"
}
