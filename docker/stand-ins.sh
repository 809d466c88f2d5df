# shellcheck shell=bash
# Sourced by docker/try.sh: makes stand-ins for the base images, under their names, where these can't be pulled.
#
#   stand_ins WORK DISTRIBUTION    WORK is a folder for what is made on the way, DISTRIBUTION Pulsar's unpacked distribution
#
# Debian comes from this machine's mirror. The images trust what this machine trusts, and have its settings of pip.

# Prints the name of the base image that begins so, as the project's files have it.
base_image() { # NAME
    local version
    version=$(sed -n 's/^ARG PULSAR_VERSION=//p' docker/Dockerfile)
    { sed -n 's/^FROM \([^ ]*\).*/\1/p' docker/Dockerfile && sed -n 's/^ *image: //p' docker-compose.yml; } |
        sed "s/\${PULSAR_VERSION}/$version/" | grep -m 1 "^$1:"
}

# Debian's release with its own Python, as the slim image has another build of the same release.
stand_in_python() { # WORK IMAGE
    local root=$1/debian release mirror
    release=${2##*-}
    # shellcheck disable=SC2016 # apt-get's own expression
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$release" "$root" "${mirror:-}" >"$1/debian.log" 2>&1
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
    tar --create --directory "$root" . | docker import --change 'CMD ["python3"]' - "$2" >/dev/null
    rm -rf "$root"
}

# The distribution alone: the Dockerfile takes nothing else of the image.
stand_in_pulsar() { # DISTRIBUTION IMAGE
    tar --create --directory "$1" --transform 's,^\.,pulsar,' . | docker import - "$2" >/dev/null
}

# Debian's PostgreSQL, which has TLS, with an entry point that does what ours needs of the official one.
stand_in_postgres() { # WORK IMAGE PYTHON-IMAGE
    local context=$1/postgres
    mkdir "$context"
    cp docker/stand-in-postgres.sh "$context/"
    cat >"$context/Dockerfile" <<END
FROM $3
ENV DEBIAN_FRONTEND=noninteractive
RUN mkdir /etc/postgresql-common && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
RUN useradd --system --uid 999 postgres && apt-get update && apt-get install --yes --no-install-recommends postgresql
RUN ln -s /usr/lib/postgresql/*/bin /opt/postgresql && mkdir -p /var/lib/postgresql && chown postgres /var/lib/postgresql
COPY stand-in-postgres.sh /usr/local/bin/
ENV PATH=/opt/postgresql:\$PATH POSTGRES_USER=postgres
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
ENTRYPOINT ["stand-in-postgres.sh"]
END
    docker build --quiet --network host --tag "$2" "$context" >/dev/null
    rm -rf "$context"
}

stand_ins() { # WORK DISTRIBUTION
    local python pulsar postgres
    python=$(base_image python) pulsar=$(base_image apachepulsar/pulsar) postgres=$(base_image postgres)
    stand_in_python "$1" "$python"
    stand_in_pulsar "$2" "$pulsar"
    stand_in_postgres "$1" "$postgres" "$python"
}
