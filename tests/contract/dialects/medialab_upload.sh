#!/usr/bin/env bash
# What the vendor publishes of its bash upload (part 2.1): register, upload, finish, with curl and standard tools alone.
# Usage: medialab_upload.sh <address of the tenant> <private token> <folder id> <file>
set -u

host=$1 token=$2 folder=$3 path=$4

field() { # of a JSON answer
  sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' <<<"$2"
}

check() {
  if [ -n "$(field error "$1")" ]; then
    echo "$(field error "$1"): $(field error_description "$1")" >&2
    exit 1
  fi
}

registered=$(curl -s -X POST "$host/api/upload/id" -F "folder_id=$folder" -H "Authorization: Private-Token $token")
check "$registered"

uploaded=$(curl -s -X POST "$(field url_upload_direct "$registered")" \
  -F "file=@$path;filename=$(basename "$path")" -F "folder_id=$folder" -F "title=$(basename "$path")")
check "$uploaded"
[ "$(field status "$uploaded")" = success ] || exit 2

finished=$(curl -s -X DELETE "$(field finish "$registered")" -H "Authorization: Private-Token $token")
check "$finished"
echo "$finished"
