#!/usr/bin/env bash
# Renders every city at every light, 64 at once; takes further options of GNU parallel.
parallel -j 64 "$@" ./render.sh clips/{1}-{2}.mp4 "'@PROMPT({1},{2})@'" ::: {0..@LAST@} ::: {0..99}
