// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Header;
import dev.sluice.wire.Progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A connection that is ready for frames, what comes back over it, and the one event it is waiting for. Goes from whoever
 * made it to the stage that sends over it, and on to the next. One thread at a time.
 */
public final class Connection {

    /** Told what came back. */
    @FunctionalInterface
    interface Inbox {
        /** A header, which is only good until this returns. */
        void message(Header header) throws IOException;
    }

    /** So often it is read before something else has its turn. */
    private static final int MOST_ROUNDS = 16;

    /** Messages read at once. */
    private static final int MESSAGES = 16;

    final Transport transport;
    private final List<Progress> welcome;
    private final MemorySegment inbound = Arena.ofAuto().allocate(MESSAGES * Header.BYTES, Long.BYTES);
    private final Header[] messages = new Header[MESSAGES];
    private long filled;
    private boolean taken;
    private boolean peerClosed;
    private long heardNanos = System.nanoTime();

    private Reactor.@Nullable Registration registration;

    /** Of the descriptor that tells of completions, if the socket does not. */
    private Reactor.@Nullable Registration completions;

    /** Written by the reactor before it calls back, read by the stage after that. */
    private volatile int events;

    private volatile boolean completed;
    private boolean completionsArmed;

    /** What the reactor was asked to report, once; -1 if nothing, or if it has. */
    private int armed = -1;

    /** @param welcome what the receiver has of each stream, in their order; nothing if it was not asked */
    public Connection(Transport transport, List<Progress> welcome) {
        this.transport = transport;
        this.welcome = welcome;
        for (int i = 0; i < MESSAGES; i++) {
            messages[i] = new Header(inbound.asSlice((long) i * Header.BYTES, Header.BYTES));
        }
    }

    /** Nobody will send over it. */
    public void drop() {
        transport.abort();
        transport.close();
    }

    /** What the receiver has; null if a stage was told before. */
    @Nullable
    List<Progress> takeWelcome() {
        boolean before = taken;
        taken = true;
        return before ? null : welcome;
    }

    void register(Reactor reactor, Consumer<Connection> ready) {
        armed = -1;
        registration = reactor.register(transport.fd(), now -> {
            events = now;
            ready.accept(this);
        });
        completionsArmed = false;
        if (transport.completionFd() >= 0) {
            completions = reactor.register(transport.completionFd(), now -> {
                completed = true;
                ready.accept(this);
            });
        }
    }

    void unregister() {
        if (registration != null) {
            registration.close();
            registration = null;
        }
        if (completions != null) {
            completions.close();
            completions = null;
        }
    }

    /** Errors are reported whatever was asked, so asking for less than a request that stands adds nothing to it. */
    void arm(int interest) throws LinuxException {
        if (registration != null && (armed < 0 || (armed | interest) != armed)) {
            int all = Math.max(armed, 0) | interest;
            registration.arm(all);
            armed = all;
        }
        if (completions != null && !completionsArmed && transport.outstanding() > 0) {
            completions.arm(Constants.EPOLLIN);
            completionsArmed = true;
        }
    }

    /** What the reactor reported of the socket, or 0; it must be asked again from now on. */
    int events() {
        int now = events;
        if (now != 0) {
            events = 0;
            armed = -1;
        }
        return now;
    }

    /** Whether the reactor reported completions; it must be asked again from now on. */
    boolean completed() {
        boolean now = completed;
        if (now) {
            completed = false;
            completionsArmed = false;
        }
        return now;
    }

    /** When something came last, of {@link System#nanoTime}. */
    long heardNanos() {
        return heardNanos;
    }

    /** The receiver will say no more. */
    boolean peerClosed() {
        return peerClosed;
    }

    /** Passes on all that has come; a part of a message waits for the rest of it. */
    void receive(Inbox inbox) throws IOException {
        // A peer that says more than it can be listened to must not keep the stream from all else: epoll says it again.
        for (int round = 0; (round < MOST_ROUNDS || transport.holdsReceived()) && !peerClosed; round++) {
            long room = inbound.byteSize() - filled;
            long got = transport.receive(inbound.asSlice(filled));
            if (got == 0) {
                return;
            }
            if (got == Transport.END) {
                peerClosed = true;
                return;
            }
            heardNanos = System.nanoTime();
            filled += got;
            int whole = (int) (filled / Header.BYTES);
            for (int i = 0; i < whole; i++) {
                inbox.message(messages[i]);
            }
            long rest = filled - (long) whole * Header.BYTES;
            MemorySegment.copy(inbound, (long) whole * Header.BYTES, inbound, 0, rest);
            filled = rest;
            if (got < room) {
                return; // that was all there is; if not, the next event says so
            }
        }
    }

    /** Reads what has come, though it says nothing: it may be that the connection has ended. */
    void discard() throws IOException {
        for (int round = 0; (round < MOST_ROUNDS || transport.holdsReceived()) && !peerClosed; round++) {
            long got = transport.receive(inbound);
            if (got == 0) {
                return;
            }
            peerClosed = got == Transport.END;
        }
    }

    static boolean failed(int events) {
        return (events & (Constants.EPOLLERR | Constants.EPOLLHUP)) != 0;
    }
}
