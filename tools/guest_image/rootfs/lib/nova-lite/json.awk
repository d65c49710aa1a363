# Flattens a JSON document: one line "path<TAB>value" for each scalar, list items and keys joined by "/".
# Control characters in strings become spaces, characters outside ASCII question marks: the guest needs neither.
{ text = text $0 " " }

function unquote(token,    out, at, escape, code) {
    token = substr(token, 2, length(token) - 2)
    out = ""
    while ((at = index(token, "\\")) > 0) {
        escape = substr(token, at + 1, 1)
        out = out substr(token, 1, at - 1)
        token = substr(token, at + 2)
        if (escape == "u") {
            code = (index(HEX, tolower(substr(token, 3, 1))) - 1) * 16 + index(HEX, tolower(substr(token, 4, 1))) - 1
            out = out (substr(token, 1, 2) != "00" || code > 126 ? "?" : code < 32 ? " " : sprintf("%c", code))
            token = substr(token, 5)
        } else if (index("nrtbf", escape)) {
            out = out " "
        } else {
            out = out escape
        }
    }
    return out token
}

function path(    i, out) {
    out = name[1]
    for (i = 2; i <= depth; i++) out = out "/" name[i]
    return out
}

BEGIN { HEX = "0123456789abcdef" }

END {
    depth = 0
    while (match(text, /"([^"\\]|\\.)*"|[][{}:,]|[^][{}:," \t\r]+/)) {
        token = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (token == "{" || token == "[") {
            depth++
            list[depth] = (token == "[")
            name[depth] = list[depth] ? 0 : ""
            key = !list[depth]
        } else if (token == "}" || token == "]") {
            depth--
            key = 0
        } else if (token == ",") {
            if (list[depth]) name[depth]++
            key = !list[depth]
        } else if (token == ":") {
            key = 0
        } else {
            value = (substr(token, 1, 1) == "\"") ? unquote(token) : token
            if (key) name[depth] = value
            else print path() "\t" value
        }
    }
}
