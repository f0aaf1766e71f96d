#!/usr/bin/env bash
# Lists what is still to be rendered: CLIP and PROMPT, each ended by a NUL.
for city in {0..@LAST@}; do
  for light in {0..99}; do
    clip=clips/$city-$light.mp4
    [[ -s $clip ]] || printf '%s\0' "$clip" "@PROMPT($city,$light)@"
  done
done
