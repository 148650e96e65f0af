// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.stream.Connection;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SinkStream;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.Transfer;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Authentication;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What is said over a new connection before there are frames: the proof that both ends have the key, where one is asked
 * for, then the sender's HELLOs, one for each stream, and the receiver's WELCOMEs. It has memory for that and no more,
 * whatever comes. Owned by the actor that made the connection, which also limits the time.
 */
final class Handshake {

    private final Transport transport;
    private final UnaryOperator<Transport> forFrames;
    private final Session session;
    private final List<SinkStream> streams;
    private final boolean joins;
    private final boolean connects;
    private final Reactor.Registration registration;
    private final MemorySegment outbound;
    private final MemorySegment inbound = Arena.ofAuto().allocate(Header.BYTES, Long.BYTES);
    private final Header answer = new Header(inbound);
    private final Transfer saying = new Transfer();
    private final List<Progress> welcome = new ArrayList<>();
    private @Nullable Authentication authentication;
    private boolean begun;
    private long filled;

    /**
     * Begins with the next call of {@link #proceed}.
     *
     * @param transport what is said here goes over it
     * @param forFrames takes it when this is done, and gives what frames are sent over
     * @param joins whether the streams are under way for others, too
     * @param connects whether this end made the connection
     * @param ready told, on the reactor's thread, that it is time to proceed
     */
    Handshake(
            Transport transport,
            UnaryOperator<Transport> forFrames,
            Session session,
            List<SinkStream> streams,
            boolean joins,
            boolean connects,
            Reactor reactor,
            IntConsumer ready) {
        this.transport = transport;
        this.forFrames = forFrames;
        this.session = session;
        this.streams = streams;
        this.joins = joins;
        this.connects = connects;
        registration = reactor.register(transport.fd(), ready::accept);
        outbound = Arena.ofAuto().allocate((streams.size() + 1L) * Header.BYTES, Long.BYTES);
    }

    private void begin() throws IOException {
        KeyFile key = session.key();
        if (key != null) {
            Authentication begins = new Authentication(key.read(), Authentication.Role.SENDER, connects);
            authentication = begins;
            say(begins.begin());
        } else if (session.framed()) {
            sayHello();
        }
    }

    /** All that was said before has been sent: what is in its place may be written over. */
    private void say(byte[] header) {
        saying.clear();
        if (header.length > 0) {
            MemorySegment.copy(header, 0, outbound, JAVA_BYTE, 0, header.length);
            saying.addHeader(outbound.address(), header.length);
        }
    }

    private void sayHello() {
        int flags = (session.resumes() ? Header.FLAG_RESUME : 0) | (joins ? Header.FLAG_JOIN : 0);
        for (int i = 0; i < streams.size(); i++) {
            SinkStream stream = streams.get(i);
            Header hello = new Header(outbound.asSlice((i + 1L) * Header.BYTES, Header.BYTES));
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
     * @throws IOException also if the key cannot be read
     */
    @Nullable
    Connection proceed() throws IOException {
        if (!begun) {
            int awaited = transport.prepare();
            if (awaited != 0) {
                return await(awaited);
            }
            begun = true;
            begin();
        }
        try {
            return converse();
        } catch (ConnectionLostException e) {
            Authentication asked = authentication;
            if (asked != null && !asked.done()) {
                throw new ConnectionLostException(
                        Authentication.leftBy(Authentication.Role.RECEIVER) + " (" + e.reason() + ")");
            }
            throw e;
        }
    }

    private @Nullable Connection converse() throws IOException {
        while (true) {
            if (saying.leftBytes() > 0 && transport.send(saying) != Transport.Progress.SENT) {
                return await(Constants.EPOLLOUT);
            }
            if (!session.framed() || welcome.size() == streams.size()) {
                registration.close();
                return new Connection(forFrames.apply(transport), joins ? List.of() : List.copyOf(welcome));
            }
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
    }

    private void take() throws WireException {
        Authentication asked = authentication;
        if (asked == null || asked.done()) {
            takeWelcome();
            return;
        }
        say(asked.take(answer));
        if (asked.done()) {
            sayHello();
        }
    }

    private void takeWelcome() throws WireException {
        answer.validate(1 << Header.TYPE_WELCOME | 1 << Header.TYPE_CHALLENGE);
        if (answer.type() == Header.TYPE_CHALLENGE) {
            throw Authentication.asked(Authentication.Role.RECEIVER);
        }
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
