"""The passes from calls of kernels to instructions of TVM's virtual machine."""

from __future__ import annotations

import tvm
from tvm import relax


def runtime_passes() -> tvm.transform.Pass:
    """TVM's default lowering without RewriteDataflowReshape, which rejects kernels that are scheduled."""
    transform = relax.transform
    return tvm.transform.Sequential(
        [
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )
