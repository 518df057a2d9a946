"""``homeveil ledger``: check the signed record of a redaction."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from homeveil.cli.streams import tell


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("ledger", help="check the signed record of a redaction")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify", help="find any change, gap, reordering or cut, and say where"
    )
    verify.add_argument("ledger", type=Path, metavar="F")
    verify.add_argument(
        "--against", type=Path, metavar="OUT", help="the output that it tells of, checked too"
    )
    verify.add_argument("--key", metavar="HEX", help="public key of who must have signed it")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    verify.set_defaults(run=_verify)
    key = actions.add_parser("key", help="print the public key of this installation")
    key.set_defaults(run=_key)


def _verify(arguments: argparse.Namespace) -> int:
    from homeveil.errors import LedgerError
    from homeveil.ledger.verify import verify

    result = verify(arguments.ledger, key=arguments.key, against=arguments.against)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(result)))
    else:
        for finding in result.findings:
            tell(f"{arguments.ledger}: {finding}")
        if not result.findings:
            signers = {"own": "this installation", "given": "the given key"}
            print(
                f"{arguments.ledger}: whole, {result.entries} entries, {result.seconds:.1f} s, "
                f"{result.outcome}, signed by {signers.get(result.signer, 'an unknown key')}"
            )
    return LedgerError.exit_code if result.findings else 0


def _key(arguments: argparse.Namespace) -> int:
    from homeveil.ledger.keys import installation_key, public_hex

    print(public_hex(installation_key().public_key()))
    return 0
