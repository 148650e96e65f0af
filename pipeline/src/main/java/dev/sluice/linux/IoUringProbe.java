// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct io_uring_probe_op} of {@code <linux/io_uring.h>}, and the head of the struct that an array of them ends. */
final class IoUringProbe {

    /** {@code struct io_uring_probe} without its array. */
    private static final long HEAD_BYTES = 16;

    private static final StructLayout LAYOUT = CType.struct(
            "io_uring_probe_op",
            CType.UINT8.withName("op"),
            CType.UINT8.withName("resv"),
            CType.SHORT.withName("flags"),
            CType.U32.withName("resv2"));
    private static final long FLAGS = CType.offset(LAYOUT, "flags");

    /** Operations asked for: more than there are. */
    static final int OPERATIONS = 256;

    private IoUringProbe() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    static MemorySegment allocate(Arena arena) {
        return arena.allocate(HEAD_BYTES + OPERATIONS * LAYOUT.byteSize(), Long.BYTES);
    }

    static boolean supports(MemorySegment probe, int operation) {
        long at = HEAD_BYTES + operation * LAYOUT.byteSize() + FLAGS;
        return (probe.get(JAVA_SHORT, at) & Constants.IO_URING_OP_SUPPORTED) != 0;
    }
}
