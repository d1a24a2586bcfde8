"""The web path stays light: a fresh process proves that it loads no TensorFlow."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys, django
django.setup()
import webapp.urls, webapp.asgi, workers.tasks
heavy = {"tensorflow", "keras", "ai_edge_litert", "faster_coco_eval"} & set(sys.modules)
assert not heavy, f"the web path loaded {heavy}"
"""


def test_a_web_process_loads_no_tensorflow(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=root,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "webapp.settings", "BOXLOOP_VAR": str(tmp_path), "PATH": ""},
    )
