# Sourced by test and .ci/run: where things are cached, and a heading with a duration for each step.

export PORTCULLIS_CACHE=${PORTCULLIS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis}
mkdir -p "$PORTCULLIS_CACHE"
# Outside the clone, so that the next fresh clone builds only what is its own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PORTCULLIS_CACHE/target}

step() {
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n=== %s\n' "$name"
  "$@" || status=$?
  printf '=== %s: %s after %d s\n' "$name" "$([ $status = 0 ] && echo ok || echo "FAILED ($status)")" $((SECONDS - start))
  return $status
}
