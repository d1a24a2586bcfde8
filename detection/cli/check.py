"""`check`: will this train? What is wrong with a folder of labelled images, and fixes for it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detection.checks import BY_NAME_ONLY, FIX_KINDS, mend, run_checks
from detection.checks.finding import SEVERITIES, Finding, Result, counted
from detection.checks.folder import Folder, survey_folder
from detection.checks.mending import Mended, write_mended
from detection.checks.survey import Edit, Survey
from detection.formats.dataset import DatasetError

MOST_FINDINGS = 10


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "check",
        help="will this train? what is wrong with a folder of labelled images",
        description=(
            "Look for what spoils training in a folder of images with Pascal VOC or YOLO "
            "annotations, and mend it. Exit status: 0 no errors, 1 errors, 2 not understood."
        ),
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="all findings as one JSON object")
    parser.add_argument(
        "--fix",
        nargs="+",
        metavar="KIND",
        default=[],
        choices=[*FIX_KINDS, "all"],
        help=f"mend findings of these kinds: {', '.join(FIX_KINDS)}; all is all but the last two",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --fix: say what would change, write nothing"
    )
    parser.add_argument(
        "--out", type=Path, metavar="OUT", help="write a mended copy; else in place, with a backup"
    )
    parser.add_argument("--all", action="store_true", help="list every finding, not the first ten")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if (options.dry_run or options.out) and not options.fix:
        print("check: --dry-run and --out go with --fix KIND.", file=sys.stderr)
        return 2
    try:
        folder = survey_folder(options.folder, _progress if sys.stderr.isatty() else None)
        edits: list[Edit] = []
        mended: Mended | None = None
        survey = folder.survey
        before = run_checks(survey)
        if options.fix:
            survey, edits = mend(survey, _kinds(options.fix))
            if not options.dry_run:
                mended = write_mended(folder, survey, options.out)
    except DatasetError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"check: {error.filename or options.folder}: {error.strerror}.", file=sys.stderr)
        return 1
    results = before if not options.fix else run_checks(survey)
    if options.json:
        print(json.dumps(_as_json(folder, before, edits, mended, results, options)))
    else:
        _print_results(before, MOST_FINDINGS if not options.all else None)
        if options.fix:
            _print_fixes(edits, mended, folder, options)
    return 1 if any(result.severity == "error" for result in results) else 0


def _kinds(asked: Sequence[str]) -> set[str]:
    everything = set(FIX_KINDS) - set(BY_NAME_ONLY) if "all" in asked else set()
    return everything | (set(asked) - {"all"})


def _print_results(results: Sequence[Result], most: int | None) -> None:
    for severity in SEVERITIES:
        for result in results:
            if result.severity != severity:
                continue
            print(f"{severity.upper():8}{result.title}")
            shown = result.findings[:most]
            for finding in shown:
                mending = f" [{finding.fix.words}]" if finding.fix else ""
                print(f"        {finding}{mending}")
            if len(result.findings) > len(shown):
                print(f"        and {len(result.findings) - len(shown):,} more (--all lists them)")
            kinds = sorted({fix.kind for fix in result.fixes})
            hint = f" To mend: --fix {' '.join(kinds)}" if kinds else ""
            print(f"        {result.check.why}{hint}")
    passed = [result for result in results if not result.findings]
    print(f"{'OK':8}{counted(len(passed), 'check')} of {len(results)} found nothing: ", end="")
    print(", ".join(result.check.key for result in passed) + ".")


def _print_fixes(
    edits: Sequence[Edit], mended: Mended | None, folder: Folder, options: argparse.Namespace
) -> None:
    print(f"{'WOULD' if options.dry_run else 'MENDED':8}{counted(len(edits), 'change')}")
    for edit in edits if options.all else edits[:MOST_FINDINGS]:
        print(f"        {_words(edit, folder.survey)}")
    if len(edits) > MOST_FINDINGS and not options.all:
        print(f"        and {len(edits) - MOST_FINDINGS:,} more (--all lists them)")
    if mended is None:
        print("        Nothing was written (--dry-run).")
        return
    for problem in mended.problems:
        print(f"        {problem}")
    files = counted(len(mended.files), "file")
    if options.out:
        print(f"        {options.out} is a copy with {files} mended.")
    elif mended.backup:
        print(f"        {files} written; the old ones are in {mended.backup}.")
    else:
        print("        There was nothing to write.")


def _words(edit: Edit, survey: Survey) -> str:
    """One change in words: where, what stood there, what will."""
    image = survey.by_name[edit.image]
    where = image.file if edit.action in ("set_size",) or edit.box else image.name
    box = f"box {edit.box}: " if edit.box else ""
    before, after = _shown(edit.before), _shown(edit.value)
    if edit.action == "remove_box":
        return f"{where}: {box}{before} is removed"
    return f"{where}: {box}{before or 'nothing'} becomes {after or 'nothing'}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{number:.6g}" for number in value)
    return "" if value is None else str(value)


def _as_json(
    folder: Folder,
    before: Sequence[Result],
    edits: Sequence[Edit],
    mended: Mended | None,
    after: Sequence[Result],
    options: argparse.Namespace,
) -> dict[str, Any]:
    survey = folder.survey
    counts = {
        severity: sum(f.severity == severity for result in before for f in result.findings)
        for severity in SEVERITIES
    }
    report: dict[str, Any] = {
        "format": 1,
        "data": survey.format,
        "images": len(survey.images),
        "boxes": survey.num_boxes,
        "counts": counts,
        "findings": [_finding_json(f) for result in before for f in result.findings],
        "passed": [result.check.key for result in before if not result.findings],
    }
    if options.fix:
        report["changes"] = [_edit_json(edit) for edit in edits]
        report["written"] = list(mended.files) if mended else []
        report["backup"] = str(mended.backup) if mended and mended.backup else None
        report["left"] = [_finding_json(f) for result in after for f in result.findings]
    return report


def _finding_json(finding: Finding) -> dict[str, Any]:
    fix = finding.fix
    return {
        "check": finding.check,
        "severity": finding.severity,
        "file": finding.file,
        "image": finding.image or None,
        "line": finding.line,
        "box": finding.box,
        "message": finding.message,
        "related": list(finding.related),
        "fix": {
            "kind": fix.kind,
            "flag": f"--fix {fix.kind}",
            "message": fix.words,
            "changes": [_edit_json(edit) for edit in fix.edits],
        }
        if fix
        else None,
    }


def _edit_json(edit: Edit) -> dict[str, Any]:
    return {
        "action": edit.action,
        "image": edit.image,
        "box": edit.box,
        "before": edit.before,
        "after": edit.value,
    }


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)
