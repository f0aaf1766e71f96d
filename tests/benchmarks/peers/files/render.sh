#!/usr/bin/env bash
# usage: render.sh CLIP PROMPT
# Buys one clip, waits for it, downloads it; does nothing when the clip is there.
set -euo pipefail
clip=$1 prompt=$2
[[ -s $clip ]] && exit 0
key="X-API-Key: $APIFRAME_API_KEY"
params='{"duration":5,"mode":"standard","aspect_ratio":"16:9","generate_audio":false,"negative_prompt":"blur"}'
reply=$(curl -sS --fail-with-body -H "$key" -H 'Content-Type: application/json' "$APIFRAME_URL/v2/videos/generate" \
  -d "{\"model\":\"kling-3.0\",\"prompt\":\"$prompt\",\"klingParams\":$params}")
[[ $reply =~ \"jobId\":\ *\"([^\"]+) ]]
job=${BASH_REMATCH[1]}
while sleep 0.25; do
  reply=$(curl -sS --fail-with-body -H "$key" "$APIFRAME_URL/v2/jobs/$job")
  case $reply in
    *\"COMPLETED\"*) break ;;
    *\"FAILED\"* | *\"CANCELLED\"*) echo "$clip: $reply" >&2; exit 1 ;;
  esac
done
[[ $reply =~ \"videoUrl\":\ *\"([^\"]+) ]]
curl -sS --fail --remove-on-error -o "$clip" "${BASH_REMATCH[1]}"
