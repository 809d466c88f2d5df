"""The protocol's generated code is what its source says."""

from pathlib import Path

from grpc_tools import protoc

WIRE = Path(__file__).parent.parent.parent / "runtime" / "alpes_wire"


def test_the_generated_code_is_current(tmp_path: Path) -> None:
    out = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    assert protoc.main(["protoc", f"-I{WIRE.parent}", *out, "alpes_wire/protocol.proto"]) == 0
    for name in ("protocol_pb2.py", "protocol_pb2.pyi"):
        again = "cd runtime; python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. alpes_wire/protocol.proto"
        assert (tmp_path / "alpes_wire" / name).read_text() == (WIRE / name).read_text(), f"run {again}"
