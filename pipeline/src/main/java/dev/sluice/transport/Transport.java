// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/** One connected socket and one way of sending over it. One thread at a time; nothing here blocks. */
public interface Transport extends AutoCloseable {

    /** What {@link #receive} returns once the peer has closed its side. */
    int END = -1;

    /** How far a send came. */
    enum Progress {
        /** The kernel has taken all of it. It may still read from the memory: see {@link Transfer#settled}. */
        SENT,
        /** The socket's send buffer is full: wait until it is writable. */
        AWAIT_WRITABLE,
        /** The kernel takes no more by reference before it has let go of something: wait for a completion. */
        AWAIT_COMPLETION
    }

    /**
     * Agrees with the peer on what must be agreed on before anything can be sent; called until it is done.
     *
     * @return 0 when it is done, else the epoll event to wait for
     * @throws IOException if the peer cannot be talked to
     */
    int prepare() throws IOException;

    /**
     * Hands the kernel as much of the transfer as it takes.
     *
     * @throws ConnectionLostException if the connection is gone; what was handed over before is in the kernel's hands
     * @throws UnreadableMemoryException if the kernel cannot read the memory at all
     */
    Progress send(Transfer transfer) throws IOException;

    /**
     * Reaps completions, and passes on each transfer that was settled by one; but for the one that the last {@link #send} did
     * not get through with, which is asked about when it is sent.
     *
     * @throws ConnectionLostException if the error queue cannot be read
     */
    void reap(Consumer<Transfer> settled) throws IOException;

    /**
     * Takes what the peer has sent, as much as there is and fits.
     *
     * @return bytes; 0 if there are none at the moment, {@link #END} if there will be no more
     * @throws ConnectionLostException if the connection is gone
     */
    long receive(MemorySegment into) throws IOException;

    /** Whether bytes have come that {@link #receive} would give, and that no event of the socket tells of. */
    boolean holdsReceived();

    /** Whether {@link #send} has found completions that are for {@link #reap} to tell of, and that no event tells of. */
    boolean holdsSettled();

    /** Polls as readable when there are completions to reap; -1 if they raise an error event of {@link #fd} instead. */
    int completionFd();

    /** Sends whose completion has not come. */
    int outstanding();

    /** The socket, for the reactor to wait on. */
    int fd();

    /**
     * What is wrong with the connection, as an errno, or 0. Asked after an error event: completions raise one too, and
     * only this tells them apart.
     */
    int pendingError();

    /** Bytes that the peer's TCP has not acknowledged. */
    int unacknowledgedBytes();

    /**
     * Sends FIN behind what is queued; the completions still come.
     *
     * @return false if something else must go out before that, and could not yet: to be called again
     */
    boolean finish();

    /**
     * Drops the connection with all that is queued but keeps the socket, so that the outstanding completions can be
     * reaped: after {@link #close} they could not, while the kernel might still read from the memory.
     */
    void abort();

    /** Closes the socket. Only with nothing outstanding is the memory certain to be free. */
    @Override
    void close();
}
