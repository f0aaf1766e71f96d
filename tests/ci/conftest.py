"""What runs in pipelines runs under bash: on Windows nothing of it is tested."""

import sys

collect_ignore_glob = ["test_*"] if sys.platform == "win32" else []
