# The commands in this folder source this file, with the checkout as the current directory.

# say WORDS: print a line to the error stream, which is not output of the command.
say() {
    printf '%s\n' "$*" >&2
}

# refuse_in_production: exit if this checkout is a production. A demo or a test must not use its
# data.
refuse_in_production() {
    if [ -n "${MLUVII_GDPR_ENV:-}" ] || [ -e var/production ] || [ -L var/production ]; then
        say "$0 does nothing: ${MLUVII_GDPR_ENV:-var/production} makes this a production. Use another checkout."
        exit 1
    fi
}

# find_python: print the name of a Python that is new enough, or print what to install.
find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    say 'Python 3.11 or newer was not found. On Debian and Ubuntu: apt-get install python3 python3-venv'
    return 1
}

# ensure_venv FILE...: create .venv and install the packages of the requirements files.
# Installs again only if one of these files, or one that they include, has changed.
ensure_venv() {
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        make_venv || return 1
    fi
    if [ "$(cat ".venv/installed-$1" 2>/dev/null)" != "$(requirements_digest "$@")" ]; then
        say "Installing the packages of $* …"
        # Files are compiled at their first import. Most files are never imported.
        for file in "$@"; do
            .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -r "$file" || return 1
        done
        requirements_digest "$@" >".venv/installed-$1"
    fi
}

make_venv() {
    python=$(find_python) || return 1
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        say 'This Python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv'
        return 1
    fi
    say 'Making .venv …'
    "$python" -m venv --clear .venv
}

# requirements_digest FILE...: print a hash of the files and of the path. A moved .venv does not
# work.
requirements_digest() {
    .venv/bin/python - "$PWD" constraints.txt requirements.txt "$@" <<'PYTHON'
import hashlib, pathlib, sys

place, *names = sys.argv[1:]
digest = hashlib.sha256(place.encode())
for name in dict.fromkeys(names):
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
PYTHON
}

# secret_key, evidence_key: print a key of this checkout. It is created once and readable by its
# owner only.
secret_key() {
    kept_key var/secret_key
}

evidence_key() {
    kept_key var/evidence_key
}

kept_key() {
    if [ ! -s "$1" ]; then
        (
            umask 077
            .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(64))' >"$1.new"
            mv "$1.new" "$1"
        )
    fi
    cat "$1"
}

# require_free_port HOST PORT NAME: print an error and return 1 if the port cannot be used. NAME is
# the variable of the port.
require_free_port() {
    if ! .venv/bin/python - "$1" "$2" 2>/dev/null <<'PYTHON'; then
import socket, sys

family, kind, _, _, address = socket.getaddrinfo(*sys.argv[1:], type=socket.SOCK_STREAM)[0]
with socket.socket(family, kind) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(address)
PYTHON
        say "Port $2 of $1 is in use or can't be used: set $3 to another one."
        return 1
    fi
}
