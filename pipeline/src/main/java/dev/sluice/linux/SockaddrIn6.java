// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;

/** {@code struct sockaddr_in6} of {@code <netinet/in.h>}: an IPv6 address, port and scope. */
final class SockaddrIn6 {

    private static final StructLayout LAYOUT = CType.struct(
            "sockaddr_in6",
            CType.SHORT.withName("sin6_family"),
            CType.SHORT.withName("sin6_port"),
            CType.INT.withName("sin6_flowinfo"),
            MemoryLayout.sequenceLayout(16, CType.UINT8).withName("sin6_addr"),
            CType.INT.withName("sin6_scope_id"));
    static final long PORT = CType.offset(LAYOUT, "sin6_port");
    static final long ADDRESS = CType.offset(LAYOUT, "sin6_addr");
    static final long SCOPE = CType.offset(LAYOUT, "sin6_scope_id");
    static final int ADDRESS_BYTES = 16;

    private SockaddrIn6() {}

    static StructLayout layout() {
        return LAYOUT;
    }
}
