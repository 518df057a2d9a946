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
        "verify",
        help="find any change, gap, reordering or cut, and say where",
        description="Find any change, gap, reordering or cut, and say where. Exit status: 0 if it "
        "is whole and signed by this installation or by --key, 7 if not: a whole one that somebody "
        "else signed may be anybody's.",
    )
    verify.add_argument("ledger", type=Path, metavar="F")
    verify.add_argument(
        "--against", type=Path, metavar="OUT", help="the output that it tells of, checked too"
    )
    verify.add_argument(
        "--key",
        metavar="HEX",
        help="public key of who must have signed it (else this installation)",
    )
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    verify.set_defaults(run=_verify)
    key = actions.add_parser("key", help="print the public key of this installation")
    key.set_defaults(run=_key)


def _verify(arguments: argparse.Namespace) -> int:
    from homeveil.errors import LedgerError
    from homeveil.ledger.verify import verify

    result = verify(arguments.ledger, key=arguments.key, against=arguments.against)
    stranger = result.signer == "unknown"
    if arguments.json:
        print(json.dumps(dataclasses.asdict(result)))
    else:
        for finding in result.findings:
            tell(f"{arguments.ledger}: {finding}")
        if stranger:
            tell(
                f"{arguments.ledger}: signed by a key that is not this installation's: anybody may "
                "have made it; give --key"
            )
        elif not result.findings:
            signer = "the given key" if result.signer == "given" else "this installation"
            print(
                f"{arguments.ledger}: whole, {result.entries} entries, {result.seconds:.1f} s, "
                f"{result.outcome}, signed by {signer}"
            )
    return LedgerError.exit_code if result.findings or stranger else 0


def _key(arguments: argparse.Namespace) -> int:
    from homeveil.ledger.keys import installation_key, public_hex

    print(public_hex(installation_key().public_key()))
    return 0
