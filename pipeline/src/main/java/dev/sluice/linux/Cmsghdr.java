// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct cmsghdr} of {@code <sys/socket.h>}: the head of one piece of ancillary data. */
final class Cmsghdr {

    private static final StructLayout LAYOUT = CType.struct(
            "cmsghdr",
            CType.SIZE_T.withName("cmsg_len"),
            CType.INT.withName("cmsg_level"),
            CType.INT.withName("cmsg_type"));
    private static final long LENGTH = CType.offset(LAYOUT, "cmsg_len");
    private static final long LEVEL = CType.offset(LAYOUT, "cmsg_level");
    private static final long TYPE = CType.offset(LAYOUT, "cmsg_type");

    private Cmsghdr() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    /** Length of the piece at {@code at}, head included, without the padding behind it. */
    static long length(MemorySegment control, long at) {
        return CType.getWord(control, at + LENGTH);
    }

    static int level(MemorySegment control, long at) {
        return control.get(JAVA_INT, at + LEVEL);
    }

    static int type(MemorySegment control, long at) {
        return control.get(JAVA_INT, at + TYPE);
    }

    /** CMSG_DATA: where the payload of the piece at {@code at} starts. */
    static long data(long at) {
        return at + align(LAYOUT.byteSize());
    }

    /** CMSG_NXTHDR: where the next piece starts. */
    static long next(MemorySegment control, long at) {
        return at + align(length(control, at));
    }

    private static long align(long bytes) {
        long word = CType.SIZE_T.byteSize();
        return (bytes + word - 1) & -word;
    }
}
