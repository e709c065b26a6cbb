# files2h.awk: puts the text files named on the command line into a C table, so that what serves
# them is one binary. The suffix says the type; one that is not known here is an error.

BEGIN {
    types["css"] = "text/css; charset=utf-8"
    types["html"] = "text/html; charset=utf-8"
    types["js"] = "text/javascript; charset=utf-8"
    types["svg"] = "image/svg+xml"
    print "/* Made by scripts/files2h.awk. */"
    print "static const struct file files[] = {"
}

FNR == 1 {
    if (count++)
        print " },"
    parts = split(FILENAME, path, "/")
    suffix = path[parts]
    sub(/.*\./, "", suffix)
    if (!(suffix in types)) {
        printf "%s: no type is known for the suffix\n", FILENAME > "/dev/stderr"
        exit 1
    }
    printf "    { \"%s\", \"%s\",", path[parts], types[suffix]
}

{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    printf "\n      \"%s\\n\"", $0
}

END { print " },\n};" }
