#!/usr/bin/env bash
# Looks for keys, tokens and passwords in every file that git tracks, and fails where there is one. It asks nobody outside, and
# shows no secret in full. Without git's folder, as in an archive of the sources, it looks at nothing and says so.
set -euo pipefail

own=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kingfisher=$own/.venv/bin/kingfisher
[ -x "$kingfisher" ] || kingfisher=kingfisher
cd "${1:-"$own"}"
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    echo "skipped: this is no git checkout"
    exit
fi
# Lock files have hashes alone.
git ls-files -z --cached -- ':!requirements/*.txt' |
    xargs -0 "$kingfisher" scan --no-validate --no-update-check --git-history none --redact --quiet
