// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;

/** {@code struct sockaddr_in} of {@code <netinet/in.h>}: an IPv4 address and port, both in network byte order. */
final class SockaddrIn {

    private static final StructLayout LAYOUT = CType.struct(
            "sockaddr_in",
            CType.SHORT.withName("sin_family"),
            CType.SHORT.withName("sin_port"),
            CType.INT.withName("sin_addr"),
            MemoryLayout.sequenceLayout(8, CType.UINT8).withName("sin_zero"));
    static final long PORT = CType.offset(LAYOUT, "sin_port");
    static final long ADDRESS = CType.offset(LAYOUT, "sin_addr");
    static final int ADDRESS_BYTES = 4;

    private SockaddrIn() {}

    static StructLayout layout() {
        return LAYOUT;
    }
}
