// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import dev.sluice.metrics.Counter;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.DuplexChannel;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringChannelOption;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringSocketChannel;
import java.util.concurrent.CompletableFuture;

/**
 * Netty with one event loop: several frames are written, and flushed together; half of them are waited for before more are
 * written, so that Netty can gather.
 */
final class NettyChannel implements SendLoop {

    /** Every write goes by reference; it is this that is measured. */
    private static final int ZERO_COPY_BYTES = 0;

    /** With 64 KiB and epoll, 2 take two fifths from it, and 32 give nothing. */
    private static final int MOST_IN_FLIGHT = 16;

    /** With frames of 1 MiB and epoll, 2 sent 7 to 23 % more than 16; with io_uring they are level. */
    private static final int MOST_BYTES_IN_FLIGHT = 2 << 20;

    /** One that is sent, and one that waits for it. */
    private static final int LEAST_IN_FLIGHT = 2;

    private final Counter sent = new Counter();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final int frameBytes;
    private final int mostInFlight;
    private volatile boolean finishing;

    private NettyChannel(Ring ring, int port, IoHandlerFactory loop, Bootstrap bootstrap) throws Exception {
        frameBytes = ring.frameBytes();
        mostInFlight = Math.clamp(MOST_BYTES_IN_FLIGHT / frameBytes, LEAST_IN_FLIGHT, MOST_IN_FLIGHT);
        bootstrap
                .group(group(loop))
                .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
                .handler(new Writer(ring))
                .connect("127.0.0.1", port)
                .sync();
    }

    /** Netty makes sure of io_uring with a smaller ring than this one, for which the memlock limit may be too low. */
    private static EventLoopGroup group(IoHandlerFactory loop) throws Sender.UnavailableException {
        try {
            return new MultiThreadIoEventLoopGroup(1, loop);
        } catch (IllegalStateException e) {
            throw new Sender.UnavailableException("Netty has no event loop: " + e.getCause());
        }
    }

    static NettyChannel epoll(Ring ring, int port) throws Exception {
        if (!Epoll.isAvailable()) {
            throw new Sender.UnavailableException("Netty's epoll: " + Epoll.unavailabilityCause());
        }
        return new NettyChannel(
                ring, port, EpollIoHandler.newFactory(), new Bootstrap().channel(EpollSocketChannel.class));
    }

    static NettyChannel ioUring(Ring ring, int port) throws Exception {
        if (!IoUring.isAvailable()) {
            throw new Sender.UnavailableException("Netty's io_uring: " + IoUring.unavailabilityCause());
        }
        return new NettyChannel(
                ring,
                port,
                IoUringIoHandler.newFactory(),
                new Bootstrap()
                        .channel(IoUringSocketChannel.class)
                        .option(IoUringChannelOption.IO_URING_WRITE_ZERO_COPY_THRESHOLD, ZERO_COPY_BYTES));
    }

    @Override
    public long sentBytes() {
        return sent.value();
    }

    @Override
    public long finish() {
        finishing = true;
        ended.join();
        return sent.value();
    }

    /** On the event loop only. */
    private final class Writer extends ChannelInboundHandlerAdapter {

        private final ByteBuf[] buffers;
        private int next;
        private int inFlight;

        Writer(Ring ring) {
            buffers = new ByteBuf[ring.count()];
            for (int i = 0; i < buffers.length; i++) {
                buffers[i] = Unpooled.unreleasableBuffer(
                        Unpooled.wrappedBuffer(ring.buffer(i).clear()));
            }
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            fill(context.channel());
        }

        private void fill(Channel channel) {
            while (inFlight < mostInFlight) {
                inFlight++;
                channel.write(buffers[next].duplicate()).addListener((ChannelFuture done) -> written(done));
                next = (next + 1) % buffers.length;
            }
            channel.flush();
        }

        private void written(ChannelFuture done) {
            if (!done.isSuccess()) {
                ended.completeExceptionally(done.cause());
                return;
            }
            inFlight--;
            sent.add(frameBytes);
            if (finishing) {
                if (inFlight == 0) {
                    ((DuplexChannel) done.channel()).shutdownOutput();
                }
            } else if (inFlight <= mostInFlight / 2) {
                fill(done.channel());
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            context.close(); // the only one there is: the receiver has closed its side
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            ended.complete(null);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            ended.completeExceptionally(cause);
        }
    }
}
