"""`./deploy.sh manifests`: writes what Kubernetes needs to run the functions, from `function-configs/`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import yaml

from deployment import function_configs, kubernetes
from deployment.errors import UsageError
from deployment.function_configs import CHECKOUT
from deployment.kubernetes import Cluster
from deployment.packages import BUILD
from local_stack.conf_files import BROKER_SETTINGS

FOLDER = BUILD / "kubernetes"
HEAD = "# ./deploy.sh manifests makes this file from function-configs/. Change those, not this file.\n"


@click.command("manifests")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option("--image", default="alpes-runner:latest", metavar="NAME:TAG", help="Image of docker/runner.Dockerfile.")
@click.option(
    "--worker-image",
    default="alpes-worker:latest",
    metavar="NAME:TAG",
    help="Image of docker/Dockerfile, target worker, for the chart's own function worker.",
)
@click.option("--release", default="pulsar", metavar="NAME", help="Helm release of Pulsar (pulsar).")
@click.option("--service-url", default="", metavar="URL", help="Pulsar's address in the cluster, if not the release's.")
@click.option("--admin-url", default="", metavar="URL", help="Its admin API, if not the release's.")
@click.option("--state-url", default="", metavar="URL", help="The state store, if not the release's bookies.")
@click.option("--auth-secret", default="", metavar="NAME", help="Secret with what Pulsar's clients authenticate by.")
@click.option("--tls-secret", default="", metavar="NAME", help="Secret with what Function Mesh needs for TLS.")
def manifests(folder: Path | None, image: str, worker_image: str, **names: str) -> None:
    """Write the manifests for Kubernetes to DIR, build/kubernetes by default; docs/kubernetes.md says what they are."""
    for given in (image, worker_image):
        if ":" not in given.rpartition("/")[2]:
            raise UsageError(f"The image {given} needs a tag, such as {given}:1.")
    configs = list(function_configs.load().values())
    cluster = Cluster(image, **names)
    servers = yaml.safe_load(BROKER_SETTINGS.read_text(encoding="utf-8"))
    folder = folder or FOLDER
    _write(folder / "functions.yaml", kubernetes.manifests(configs, cluster))
    _write(folder / "pulsar-values.yaml", [kubernetes.chart_values(worker_image, cluster, servers)])
    for config in configs:
        _write(folder / "worker" / config.path.name, [kubernetes.worker_config(config)])


class _Dumper(yaml.SafeDumper):
    """Writes a value again where it stands again: nobody wants to read anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Whether no anchor is to stand for a value: never one."""
        return True


def _write(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(HEAD + text, encoding="utf-8")
    print(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)
