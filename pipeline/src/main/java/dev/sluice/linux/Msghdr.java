// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct msghdr} of {@code <sys/socket.h>}, the argument of sendmsg and recvmsg. */
public final class Msghdr {

    private static final StructLayout LAYOUT = CType.struct(
            "msghdr",
            CType.POINTER.withName("msg_name"),
            CType.INT.withName("msg_namelen"),
            CType.POINTER.withName("msg_iov"),
            CType.SIZE_T.withName("msg_iovlen"),
            CType.POINTER.withName("msg_control"),
            CType.SIZE_T.withName("msg_controllen"),
            CType.INT.withName("msg_flags"));
    private static final long IOV = CType.offset(LAYOUT, "msg_iov");
    private static final long IOV_LENGTH = CType.offset(LAYOUT, "msg_iovlen");
    private static final long CONTROL = CType.offset(LAYOUT, "msg_control");
    private static final long CONTROL_LENGTH = CType.offset(LAYOUT, "msg_controllen");
    private static final long FLAGS = CType.offset(LAYOUT, "msg_flags");

    private Msghdr() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    /** A zeroed msghdr. */
    public static MemorySegment allocate(Arena arena) {
        return arena.allocate(LAYOUT);
    }

    /** What to send: {@code count} iovec elements from {@code iovecAddress} on. */
    public static void iov(MemorySegment message, long iovecAddress, int count) {
        CType.putWord(message, IOV, iovecAddress);
        CType.putWord(message, IOV_LENGTH, count);
    }

    /** Where ancillary data goes; recvmsg shortens it to what it wrote, so it is set before each call. */
    static void control(MemorySegment message, MemorySegment control) {
        CType.putWord(message, CONTROL, control.address());
        CType.putWord(message, CONTROL_LENGTH, control.byteSize());
        message.set(JAVA_INT, FLAGS, 0);
    }

    static long controlLength(MemorySegment message) {
        return CType.getWord(message, CONTROL_LENGTH);
    }

    static int flags(MemorySegment message) {
        return message.get(JAVA_INT, FLAGS);
    }
}
