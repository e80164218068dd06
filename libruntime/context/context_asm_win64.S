// The switches for the calling convention of 64-bit Windows (learn.microsoft.com, "x64 calling convention"): rbx, rbp,
// rdi, rsi, r12 to r15 and xmm6 to xmm15 belong to the caller, and so do the control bits of MXCSR and the x87 control
// word. Frame layout: see Frame in context_win64.cc; control words as in context_asm_x64.S.
//
// Four words of the thread's environment block (gs) belong to the stack that the thread runs on, and change with it as
// they do with SwitchToFiber: its bounds, and the list of handlers whose records lie on it. (Wine has such records on x86-64 too, and without
// the change a throw on a goroutine now and then found one of its thread's, and no handler.)
#define MXCSR_FLAGS 0x3f
#define TEB_EXCEPTION_LIST %gs:0x00
#define TEB_STACK_BASE %gs:0x08
#define TEB_STACK_LIMIT %gs:0x10
#define TEB_DEALLOCATION_STACK %gs:0x1478

.macro PUSH_CALLEE_SAVED
    pushq   %rbp
    pushq   %rbx
    pushq   %rdi
    pushq   %rsi
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    subq    $200, %rsp
    movq    TEB_STACK_BASE, %rax
    movq    TEB_STACK_LIMIT, %r9
    movq    TEB_DEALLOCATION_STACK, %r10
    movq    %rax, 8(%rsp)
    movq    TEB_EXCEPTION_LIST, %rax
    movq    %rax, 192(%rsp)
    movaps  %xmm6, 16(%rsp)
    movaps  %xmm7, 32(%rsp)
    movaps  %xmm8, 48(%rsp)
    movaps  %xmm9, 64(%rsp)
    movaps  %xmm10, 80(%rsp)
    movaps  %xmm11, 96(%rsp)
    movaps  %xmm12, 112(%rsp)
    movaps  %xmm13, 128(%rsp)
    movaps  %xmm14, 144(%rsp)
    movaps  %xmm15, 160(%rsp)
    movq    %r9, 176(%rsp)
    movq    %r10, 184(%rsp)
.endm

// Not `ret` at the end: the return stack of the branch predictor belongs to the flow that was left.
.macro POP_AND_CONTINUE
    movq    8(%rsp), %r9
    movq    176(%rsp), %r10
    movq    184(%rsp), %r11
    movq    192(%rsp), %rcx
    movq    %rcx, TEB_EXCEPTION_LIST
    movq    %r9, TEB_STACK_BASE
    movq    %r10, TEB_STACK_LIMIT
    movq    %r11, TEB_DEALLOCATION_STACK
    movaps  16(%rsp), %xmm6
    movaps  32(%rsp), %xmm7
    movaps  48(%rsp), %xmm8
    movaps  64(%rsp), %xmm9
    movaps  80(%rsp), %xmm10
    movaps  96(%rsp), %xmm11
    movaps  112(%rsp), %xmm12
    movaps  128(%rsp), %xmm13
    movaps  144(%rsp), %xmm14
    movaps  160(%rsp), %xmm15
    addq    $200, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rsi
    popq    %rdi
    popq    %rbx
    popq    %rbp
    popq    %rcx
    jmp     *%rcx
.endm

    .text
// uint64_t netpoll_context_resume(void** from_sp [rcx], void* to_sp [rdx], uint64_t control_words [r8])
    .globl  netpoll_context_resume
    .def    netpoll_context_resume; .scl 2; .type 32; .endef
    .p2align 4
netpoll_context_resume:
    PUSH_CALLEE_SAVED
    movq    %rsp, (%rcx)
    movq    %rdx, %rsp
    // Back in a goroutine the result is nobody's; in its owner suspend() has left it in rax.
    cmpq    (%rsp), %r8
    jne     1f
    POP_AND_CONTINUE
1:  ldmxcsr (%rsp)
    fldcw   4(%rsp)
    POP_AND_CONTINUE

// void netpoll_context_suspend(void** from_sp [rcx], void* to_sp [rdx])
    .globl  netpoll_context_suspend
    .def    netpoll_context_suspend; .scl 2; .type 32; .endef
    .p2align 4
netpoll_context_suspend:
    PUSH_CALLEE_SAVED
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movl    (%rsp), %eax
    andl    $~MXCSR_FLAGS, %eax
    movzwl  4(%rsp), %r8d
    shlq    $32, %r8
    orq     %r8, %rax
    movq    %rax, (%rsp)
    movq    %rsp, (%rcx)
    movq    %rdx, %rsp
    POP_AND_CONTINUE

// First code on a new stack: entry in rbx, its argument in r12. Above lies a zero, which ends the unwinding.
    .globl  netpoll_context_entry
    .def    netpoll_context_entry; .scl 2; .type 32; .endef
    .p2align 4
    .seh_proc netpoll_context_entry
netpoll_context_entry:
    subq    $48, %rsp
    .seh_stackalloc 48
    .seh_endprologue
    xorl    %ebp, %ebp
    movq    %r12, %rcx
    callq   *%rbx
    ud2
    .seh_endproc
