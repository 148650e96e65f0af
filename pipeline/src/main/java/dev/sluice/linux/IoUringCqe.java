// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct io_uring_cqe} of {@code <linux/io_uring.h>}: what became of an operation; read as an array. */
final class IoUringCqe {

    private static final StructLayout LAYOUT = CType.struct(
            "io_uring_cqe",
            CType.ALIGNED_U64.withName("user_data"),
            CType.INT.withName("res"),
            CType.U32.withName("flags"));
    private static final long USER_DATA = CType.offset(LAYOUT, "user_data");
    private static final long RES = CType.offset(LAYOUT, "res");
    private static final long FLAGS = CType.offset(LAYOUT, "flags");

    static final long BYTES = LAYOUT.byteSize();

    private IoUringCqe() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    static long userData(MemorySegment array, int index) {
        return array.get(JAVA_LONG, index * BYTES + USER_DATA);
    }

    static int result(MemorySegment array, int index) {
        return array.get(JAVA_INT, index * BYTES + RES);
    }

    static int flags(MemorySegment array, int index) {
        return array.get(JAVA_INT, index * BYTES + FLAGS);
    }
}
