// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.stream.Connection;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SinkStream;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.Transfer;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Header;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What is said over a new connection before there are frames: the sender's HELLOs, one for each stream, and the receiver's
 * WELCOMEs. It has memory for that and no more, whatever comes. Owned by the actor that made the connection, which also
 * limits the time.
 */
final class Handshake {

    private final Transport transport;
    private final Session session;
    private final List<SinkStream> streams;
    private final boolean joins;
    private final Reactor.Registration registration;
    private final MemorySegment outbound;
    private final MemorySegment inbound = Arena.ofAuto().allocate(Header.BYTES, Long.BYTES);
    private final Header answer = new Header(inbound);
    private final Transfer saying = new Transfer(Transfer.NO_BUFFER);
    private final List<Progress> welcome = new ArrayList<>();
    private long filled;

    /**
     * Begins with the next call of {@link #proceed}.
     *
     * @param transport the sink's once this is done
     * @param joins whether the streams are under way for others, too
     * @param ready told, on the reactor's thread, that it is time to proceed
     */
    Handshake(
            Transport transport,
            Session session,
            List<SinkStream> streams,
            boolean joins,
            Reactor reactor,
            IntConsumer ready) {
        this.transport = transport;
        this.session = session;
        this.streams = streams;
        this.joins = joins;
        registration = reactor.register(transport.fd(), ready::accept);
        outbound = Arena.ofAuto().allocate((long) streams.size() * Header.BYTES, Long.BYTES);
        if (session.framed()) {
            sayHello();
        }
    }

    private void sayHello() {
        int flags = (session.resumes() ? Header.FLAG_RESUME : 0) | (joins ? Header.FLAG_JOIN : 0);
        for (int i = 0; i < streams.size(); i++) {
            SinkStream stream = streams.get(i);
            Header hello = new Header(outbound.asSlice((long) i * Header.BYTES, Header.BYTES));
            hello.hello(stream.id(), streams.size(), flags, stream.identity(), stream.oldest(), session.peerTimeout());
            saying.addHeader(hello.address(), Header.BYTES);
        }
    }

    /**
     * Goes as far as the connection lets it.
     *
     * @return the connection, ready for frames; null if it must wait for an event
     * @throws ConnectionLostException if the connection is gone
     * @throws WireException if the peer says something else than a receiver would
     */
    @Nullable
    Connection proceed() throws IOException {
        if (saying.leftBytes() > 0 && transport.send(saying) != Transport.Progress.SENT) {
            return await(Constants.EPOLLOUT);
        }
        while (session.framed() && welcome.size() < streams.size()) {
            long got = transport.receive(inbound.asSlice(filled));
            if (got == 0) {
                return await(Constants.EPOLLIN);
            }
            if (got == Transport.END) {
                throw new ConnectionLostException("the receiver closed the connection before it said what it wants");
            }
            filled += got;
            if (filled == Header.BYTES) {
                filled = 0;
                take();
            }
        }
        registration.close();
        return new Connection(transport, joins ? List.of() : List.copyOf(welcome));
    }

    private void take() throws WireException {
        answer.validate(1 << Header.TYPE_WELCOME);
        int expected = streams.get(welcome.size()).id();
        if (answer.stream() != expected) {
            throw new WireException("a WELCOME for stream " + answer.stream() + " where that for " + expected
                    + " should be: the receiver must answer each HELLO, in their order");
        }
        welcome.add(answer.progress());
    }

    private @Nullable Connection await(int events) throws LinuxException {
        registration.arm(events);
        return null;
    }

    /** Ends it, and the connection. */
    void drop() {
        registration.close();
        transport.abort();
        transport.close();
    }
}
