// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/** {@code struct io_uring_sqe} of {@code <linux/io_uring.h>}: one operation asked of the kernel; kept as an array. */
final class IoUringSqe {

    private static final StructLayout LAYOUT = CType.struct(
            "io_uring_sqe",
            CType.UINT8.withName("opcode"),
            CType.UINT8.withName("flags"),
            CType.SHORT.withName("ioprio"),
            CType.INT.withName("fd"),
            CType.ALIGNED_U64.withName("off"),
            CType.ALIGNED_U64.withName("addr"),
            CType.U32.withName("len"),
            CType.U32.withName("msg_flags"),
            CType.ALIGNED_U64.withName("user_data"),
            CType.SHORT.withName("buf_index"),
            CType.SHORT.withName("personality"),
            CType.INT.withName("splice_fd_in"),
            CType.ALIGNED_U64.withName("addr3"),
            CType.ALIGNED_U64.withName("__pad2"));
    private static final long OPCODE = CType.offset(LAYOUT, "opcode");
    private static final long FLAGS = CType.offset(LAYOUT, "flags");
    private static final long IOPRIO = CType.offset(LAYOUT, "ioprio");
    private static final long FD = CType.offset(LAYOUT, "fd");
    private static final long ADDR = CType.offset(LAYOUT, "addr");
    private static final long LEN = CType.offset(LAYOUT, "len");
    private static final long MSG_FLAGS = CType.offset(LAYOUT, "msg_flags");
    private static final long USER_DATA = CType.offset(LAYOUT, "user_data");
    private static final long BUF_INDEX = CType.offset(LAYOUT, "buf_index");

    static final long BYTES = LAYOUT.byteSize();

    private IoUringSqe() {}

    static StructLayout layout() {
        return LAYOUT;
    }

    /** Element {@code index} becomes a send (IORING_OP_SEND, IORING_OP_SEND_ZC: man 2 io_uring_enter). */
    static void send(
            MemorySegment array,
            int index,
            int opcode,
            int fd,
            long address,
            int bytes,
            int messageFlags,
            int sendFlags,
            int buffer,
            int linkFlags,
            long userData) {
        long at = index * BYTES;
        array.asSlice(at, BYTES).fill((byte) 0);
        array.set(JAVA_BYTE, at + OPCODE, (byte) opcode);
        array.set(JAVA_BYTE, at + FLAGS, (byte) linkFlags);
        array.set(JAVA_SHORT, at + IOPRIO, (short) sendFlags);
        array.set(JAVA_INT, at + FD, fd);
        array.set(JAVA_LONG, at + ADDR, address);
        array.set(JAVA_INT, at + LEN, bytes);
        array.set(JAVA_INT, at + MSG_FLAGS, messageFlags);
        array.set(JAVA_LONG, at + USER_DATA, userData);
        array.set(JAVA_SHORT, at + BUF_INDEX, (short) buffer);
    }
}
