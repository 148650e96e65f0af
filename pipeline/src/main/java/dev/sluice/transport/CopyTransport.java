// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;

/** {@code copy}: ordinary sends. The kernel has its own copy when the call returns, so nothing is ever outstanding. */
final class CopyTransport extends SocketTransport {

    CopyTransport(TcpSocket socket, SendCounters counters) {
        super(socket, counters);
    }

    @Override
    long sendSome(Transfer transfer) {
        return sendPlainly(transfer);
    }
}
