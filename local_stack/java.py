"""Builds command lines of Pulsar's Java programs: the distribution's own scripts fail where a path has a space."""

from collections.abc import Sequence
from pathlib import Path

from local_stack import distribution
from local_stack.settings import Settings

LOCALE = {"LC_ALL": "C.UTF-8"}
"""Environment of every JVM: with another encoding it can't open files whose names are not ASCII."""
STANDALONE = "org.apache.pulsar.PulsarStandaloneStarter"
ADMIN = "org.apache.pulsar.admin.cli.PulsarAdminTool"
ZOOKEEPER_SHELL = "org.apache.zookeeper.ZooKeeperMain"
PERF = "org.apache.pulsar.testclient.PulsarPerfTestTool"
# The options that the scripts of Pulsar 4.0 give every JVM of Java 17 to 22.
_EVERY = (
    "-Djava.net.preferIPv4Stack=true",
    "-Djute.maxbuffer=10485760",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dorg.apache.pulsar.shade.io.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.is.webapp=false",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.util.zip=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.platform=ALL-UNNAMED",
    "--add-opens=java.base/sun.net=ALL-UNNAMED",
    "--add-opens=java.management/sun.management=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)
_STANDALONE = (
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dzookeeper.clientTcpKeepAlive=true",
    "-Dzookeeper.4lw.commands.whitelist=*",
    "-Dzookeeper.snapshot.trust.empty=true",
    "-Dzookeeper.tcpKeepAlive=true",
    "-Dbookkeeper.metadata.bookie.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataBookieDriver",
    "-Dbookkeeper.metadata.client.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataClientDriver",
)


def command(
    settings: Settings, program: str, arguments: Sequence[str | Path] = (), options: Sequence[str] = ()
) -> list[str]:
    """Return the command line of a program that logs to the terminal.

    Parameters
    ----------
    settings : Settings
        The stack whose distribution has the program.
    program : str
        Its main class.
    arguments, options : sequence
        Arguments of the program, and further options of the JVM.
    """
    logging = (
        f"-Dpulsar.log.dir={settings.logs}",
        "-Dpulsar.log.appender=Console",
        "-Dpulsar.log.level=warn",
        "-Dpulsar.log.root.level=warn",
    )
    return _command(settings, settings.distribution / "conf", program, arguments, (*logging, *options))


def standalone(settings: Settings, arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return the command line of Pulsar standalone, which logs to the stack's folder."""
    instances = settings.distribution / "instances"
    conf = settings.home / "conf"
    own = (
        "-Dpulsar.log.appender=RoutingAppender",
        "-Dpulsar.routing.appender.default=RollingFile",
        "-Dpulsar.log.immediateFlush=true",
        f"-Dpulsar.log.dir={settings.logs}",
        "-Dpulsar.log.file=pulsar.log",
        config_file_option(settings),
        f"-Dpulsar.functions.process.container.log.dir={settings.logs}",
        f"-Dpulsar.functions.java.instance.jar={instances / 'java-instance.jar'}",
        f"-Dpulsar.functions.python.instance.file={instances / 'python-instance' / 'python_instance_main.py'}",
        f"-Dpulsar.functions.extra.dependencies.dir={instances / 'deps'}",
        f"-Dpulsar.functions.instance.classpath={_class_path(settings, conf)}",
        f"-Dpulsar.functions.log.conf={settings.distribution / 'conf' / 'functions_log4j2.xml'}",
    )
    return _command(settings, conf, STANDALONE, arguments, (*_STANDALONE, *own, *options))


def config_file_option(settings: Settings) -> str:
    """Return the JVM option that tells this stack's Pulsar from that of another stack."""
    return f"-Dpulsar.config.file={settings.home / 'conf' / 'standalone.conf'}"


def _class_path(settings: Settings, conf: Path) -> str:
    return f"{conf}:{settings.distribution / 'lib'}/*"


def _command(
    settings: Settings, conf: Path, program: str, arguments: Sequence[str | Path], options: Sequence[str]
) -> list[str]:
    java = distribution.java_home() / "bin" / "java"
    logging = f"-Dlog4j.configurationFile={(conf / 'log4j2.yaml').as_uri()}"
    class_path = _class_path(settings, conf)
    return [str(part) for part in (java, "-cp", class_path, logging, *_EVERY, *options, program, *arguments)]
