// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A pipe that holds references to memory (man 2 vmsplice) on their way to a socket (man 2 splice). Nothing tells when the
 * kernel is done with the memory. One thread at a time.
 */
public final class SplicePipe implements AutoCloseable {

    /** The most that a user may ask for, if nobody has changed {@code fs.pipe-max-size}: room for so many bytes in pages. */
    private static final int BYTES = 1 << 20;

    private final int in;
    private final int out;

    private SplicePipe(int out, int in) {
        this.out = out;
        this.in = in;
    }

    /**
     * Makes one.
     *
     * @throws LinuxException EMFILE, ENFILE: there are too many descriptors
     */
    public static SplicePipe open() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocate(JAVA_INT, 2);
            LinuxException.check(Libc.pipe(pair, Constants.O_CLOEXEC), "pipe2");
            SplicePipe pipe = new SplicePipe(pair.getAtIndex(JAVA_INT, 0), pair.getAtIndex(JAVA_INT, 1));
            // EPERM: this user has many large ones already; then it holds 64 KiB, and takes more calls.
            Libc.fcntl(pipe.in, Constants.F_SETPIPE_SZ, BYTES);
            return pipe;
        }
    }

    /** Takes references to the memory that so many iovec elements name: bytes, as many as fit, or the negated errno. */
    public long fill(long iovecAddress, int count) {
        return Libc.vmsplice(in, iovecAddress, count, Constants.SPLICE_F_NONBLOCK);
    }

    /**
     * Passes references on to a socket.
     *
     * @param bytes of those that the pipe holds
     * @param more whether other bytes will follow at once
     * @return bytes, as many as the socket takes, or the negated errno: EAGAIN if it takes none now
     */
    public long drain(int socket, long bytes, boolean more) {
        return Libc.splice(out, socket, bytes, Constants.SPLICE_F_NONBLOCK | (more ? Constants.SPLICE_F_MORE : 0));
    }

    /** Lets go of what it still refers to. */
    @Override
    public void close() {
        Libc.close(in);
        Libc.close(out);
    }
}
