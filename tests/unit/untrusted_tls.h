#ifndef TEST_UNTRUSTED_TLS_H
#define TEST_UNTRUSTED_TLS_H
/*
 * A TLS server on this host whose certificate nobody signed; it answers every request with 200.
 *
 * Python, because no program of ours has a use for the server side of libssl. It ends when its
 * input does, so it does not outlive the test.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char tls_server[] =
    "import datetime as d, os, socket, ssl, sys, tempfile, threading\n"
    "from cryptography import x509\n"
    "from cryptography.hazmat.primitives import hashes, serialization as s\n"
    "from cryptography.hazmat.primitives.asymmetric import ec\n"
    "key = ec.generate_private_key(ec.SECP256R1())\n"
    "name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, '127.0.0.1')])\n"
    "now = d.datetime.utcnow()\n"
    "cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)\n"
    "        .public_key(key.public_key()).serial_number(1)\n"
    "        .not_valid_before(now - d.timedelta(1)).not_valid_after(now + d.timedelta(1))\n"
    "        .sign(key, hashes.SHA256()))\n"
    "with tempfile.NamedTemporaryFile() as file:\n"
    "    file.write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))\n"
    "    file.write(cert.public_bytes(s.Encoding.PEM))\n"
    "    file.flush()\n"
    "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
    "    context.load_cert_chain(file.name)\n"
    "listener = socket.create_server(('127.0.0.1', 0))\n"
    "os.write(1, b'%d\\n' % listener.getsockname()[1])\n"
    "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
    "while True:\n"
    "    try:\n"
    "        with context.wrap_socket(listener.accept()[0], server_side=True) as tls:\n"
    "            tls.recv(65536)\n"
    "            tls.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')\n"
    "    except OSError:\n"
    "        pass\n";

struct untrusted_tls {
    pid_t pid;
    int input;
    int port; /* 0: it did not start */
};

static inline struct untrusted_tls untrusted_tls_start(void)
{
    struct untrusted_tls server = { .input = -1 };
    int to[2], from[2];
    char text[16] = "";

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return server;
    server.pid = fork();
    if (server.pid == 0) {
        (void)dup2(to[0], STDIN_FILENO);
        (void)dup2(from[1], STDOUT_FILENO);
        (void)execl("/usr/bin/python3", "python3", "-c", tls_server, (char *)NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    server.input = to[1];
    if (read(from[0], text, sizeof text - 1) > 0)
        server.port = (int)strtol(text, NULL, 10);
    (void)close(from[0]);
    return server;
}

static inline void untrusted_tls_stop(const struct untrusted_tls *server)
{
    int status;

    (void)close(server->input);
    (void)waitpid(server->pid, &status, 0);
}

#endif
