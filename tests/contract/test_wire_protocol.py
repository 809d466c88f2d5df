"""The protocol's generated code is what its source says."""

import sys
from pathlib import Path

from grpc_tools import protoc

WIRE = Path(__file__).parent.parent.parent / "wire"


def test_the_generated_code_is_current(tmp_path: Path) -> None:
    command = ["protoc", f"-I{WIRE.parent}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "wire/protocol.proto"]
    assert protoc.main(command) == 0
    for name in ("protocol_pb2.py", "protocol_pb2.pyi"):
        again = f"{Path(sys.executable).name} -m grpc_tools.protoc -I. --python_out=. --pyi_out=. wire/protocol.proto"
        assert (tmp_path / "wire" / name).read_text() == (WIRE / name).read_text(), f"run {again}"
