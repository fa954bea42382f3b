"""`python pipelines/monai_deploy_app -i IN -o OUT -m MODEL`, and what a MONAI Application Package starts."""

import sys
import warnings
from importlib.util import find_spec

if find_spec("holoscan") is None or find_spec("medgan") is None:
    print('Error: this needs the MONAI Deploy App SDK: pip install "medgan[deploy]"', file=sys.stderr)
    sys.exit(2)
# Holoscan recommends 32 MB of stack for any application; the operators of this one need no more than the usual 8.
warnings.filterwarnings("ignore", message="Current stack size", category=RuntimeWarning)

import medgan  # noqa: E402, F401, I001 - first, so that MONAI imports of the SDK what is used here, and no more
from app import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
