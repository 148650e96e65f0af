// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.util.function.Consumer;

/**
 * {@code zerocopy}: sendmsg with MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst). The kernel reads from the
 * memory until it says otherwise on the socket's error queue.
 *
 * <p>The flag is a wish. The kernel may copy and say so, refuse for want of memory (ENOBUFS), or be unable to reference
 * the mapping at all (EFAULT). Each has its counter and its fallback here; a connection that fell back to plain sends
 * stays with them, and the next one tries again.
 */
final class ZerocopyTransport extends SocketTransport {

    private final Transports.Options options;
    private final OutstandingSends outstanding = new OutstandingSends();
    private boolean plain;
    private int copiedInARow;

    ZerocopyTransport(TcpSocket socket, Transports.Options options, SendCounters counters) {
        super(socket, counters);
        this.options = options;
    }

    @Override
    long sendSome(Transfer transfer) {
        if (plain) {
            return sendPlainly(transfer);
        }
        long meanBytes = transfer.meanStretchBytes();
        if (meanBytes == 0 || meanBytes < options.thresholdBytes()) { // headers alone are never worth it
            explainSmall(meanBytes, options);
            return sendPlainly(transfer);
        }
        long taken = socket.send(transfer.iovecAddress(), transfer.iovecCount(), Constants.MSG_ZEROCOPY);
        if (taken > 0) {
            transfer.advance(taken);
            outstanding.issued(transfer, taken);
            counters.sent.add(taken);
            return taken;
        }
        if (taken == -Constants.ENOBUFS || taken == -Constants.ENOMEM) {
            counters.noBuffers.add(1);
            // With nothing outstanding no completion will ever come to wait for: copy this one.
            return outstanding.count() > 0 ? -Constants.ENOBUFS : sendPlainly(transfer);
        }
        if (taken == -Constants.EFAULT) {
            long copied = sendPlainly(transfer);
            if (copied > 0) {
                goPlain("the buffers cannot be sent by reference (EFAULT): their mapping has no struct pages "
                        + "(dma_mmap_coherent and remap_pfn_range make such mappings); use the sluice driver's, or leave "
                        + "it at transport = copy");
            }
            return copied;
        }
        return taken;
    }

    @Override
    public void reap(Consumer<Transfer> settled) throws IOException {
        try {
            while (outstanding.count() > 0 && socket.receiveNotification()) {
                boolean copied = socket.notificationCopied();
                long before = outstanding.settledBytes();
                outstanding.settle(socket.notificationFirst(), socket.notificationLast(), settled);
                long bytes = outstanding.settledBytes() - before;
                counters.notifications.add(1);
                (copied ? counters.copied : counters.byReference).add(bytes);
                // The kernel merges notifications when it is busy: one then speaks for all sends of its range.
                int sends = socket.notificationLast() - socket.notificationFirst() + 1;
                copiedInARow = copied ? copiedInARow + sends : 0;
            }
        } catch (LinuxException e) {
            throw new ConnectionLostException(e.errno());
        }
        if (!plain && options.plainAfterCopied() > 0 && copiedInARow >= options.plainAfterCopied()) {
            plain = true;
            explainCopied(copiedInARow);
        }
    }

    private void goPlain(String reason) {
        plain = true;
        explain(reason);
    }

    @Override
    public int outstanding() {
        return outstanding.count();
    }
}
