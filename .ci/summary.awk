# Reads TAP as tap writes it. Says each file as it ends, and at the end of everything, where every viewer of a long log
# can still see it, each failure: file, subtests, assertion, and what tap knows of it.
# mawk and gawk; no more than 60 lines a failure.

function depth_of(line) { match(line, /^ */); return RLENGTH / 4 }
function text_of(line) { sub(/^ *(not )?ok [0-9]+( - )?/, "", line); sub(/ # time=.*$/, "", line); return line }

/^ *# Subtest: / {
  name = $0; sub(/^ *# Subtest: /, "", name)
  place[depth_of($0)] = name
}

# what tap says of a failure: from its "---" to its "..."
in_diagnosis {
  if ($0 ~ /^ *\.\.\.$/) { in_diagnosis = 0 }
  else if (keep && ++lines <= 60) failure = failure $0 "\n"
  next
}
/^ *---$/ { in_diagnosis = 1; lines = 0; next }

/^ *(not )?ok / {
  if (failure != "") { failures = failures failure; failure = "" }
  keep = 0
  if ($0 ~ /^ *not ok/ && $0 !~ /# (SKIP|TODO|skip|todo)/) {
    # a subtest or a file that failed by its parts needs no word of its own
    if ($0 !~ /# time=/ || !failed_below[depth_of($0)]) {
      where = ""
      for (i = 0; i < depth_of($0); i++) where = where place[i] " > "
      failure = "\nFAILED " where text_of($0) "\n"
      keep = 1
    }
    if (depth_of($0) > 0) failed_below[depth_of($0) - 1] = 1
  }
  failed_below[depth_of($0)] = 0
  if ($0 ~ /^(not )?ok /) { time = $0; sub(/^.* # time=/, "", time); printf "%s %s (%s)\n", ($1 == "ok" ? "ok    " : "FAILED"), text_of($0), time; fflush() }
  next
}

# what is no TAP: the installation's words, an error of npm
/^[^ #]/ && !/^(TAP version |1\.\.)/ { print; fflush() }

/^# \{ total:/ { total = $0 }
function count(word) { return match(total, word ": [0-9]+") ? substr(total, RSTART + length(word) + 2, RLENGTH - length(word) - 2) : 0 }
END {
  printf "%s%s\n", failures, failure
  printf "%d passed, %d failed, %d skipped\n", count("pass"), count("fail"), count("skip")
}
