// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct sock_extended_err} of {@code <linux/errqueue.h>}: one entry of a socket's error queue. */
final class SockExtendedErr {

    private static final StructLayout LAYOUT = CType.struct(
            "sock_extended_err",
            CType.INT.withName("ee_errno"),
            CType.UINT8.withName("ee_origin"),
            CType.UINT8.withName("ee_type"),
            CType.UINT8.withName("ee_code"),
            CType.UINT8.withName("ee_pad"),
            CType.INT.withName("ee_info"),
            CType.INT.withName("ee_data"));
    private static final long ORIGIN = CType.offset(LAYOUT, "ee_origin");
    private static final long CODE = CType.offset(LAYOUT, "ee_code");
    private static final long INFO = CType.offset(LAYOUT, "ee_info");
    private static final long DATA = CType.offset(LAYOUT, "ee_data");

    private SockExtendedErr() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    static int origin(MemorySegment control, long at) {
        return Byte.toUnsignedInt(control.get(JAVA_BYTE, at + ORIGIN));
    }

    static int code(MemorySegment control, long at) {
        return Byte.toUnsignedInt(control.get(JAVA_BYTE, at + CODE));
    }

    /** For zero-copy: the first id of the range, inclusive, an unsigned 32-bit number. */
    static int info(MemorySegment control, long at) {
        return control.get(JAVA_INT, at + INFO);
    }

    /** For zero-copy: the last id of the range, inclusive, an unsigned 32-bit number. */
    static int data(MemorySegment control, long at) {
        return control.get(JAVA_INT, at + DATA);
    }
}
