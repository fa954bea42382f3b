"""`python pipelines/monai_deploy_app -i IN -o OUT -m MODEL`, and what a MONAI Application Package starts."""

import sys
import warnings

# Holoscan recommends 32 MB of stack for any application; the operators of this one need no more than the usual 8.
warnings.filterwarnings("ignore", message="Current stack size", category=RuntimeWarning)

from app import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
