"""The release function: puts what is held at the gate through the pipeline, in order, once the contract allows it."""
