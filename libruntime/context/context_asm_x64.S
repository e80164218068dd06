// void netpoll_context_switch(void** from_sp [rdi], void* to_sp [rsi])
//
// Frame layout: see Frame in context_x64.cc.
    .text
    .globl  netpoll_context_switch
    .hidden netpoll_context_switch
    .type   netpoll_context_switch, @function
    .p2align 4
netpoll_context_switch:
    .cfi_startproc
    // Save callee-saved registers and the floating-point control words.
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movl    (%rsp), %eax
    movzwl  4(%rsp), %edx

    // Change stacks.
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp

    // Loading a control word stalls the pipeline, and the two sides nearly always agree: load only what differs.
    cmpl    (%rsp), %eax
    jne     2f
1:  cmpw    4(%rsp), %dx
    jne     3f
4:  addq    $8, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    // Not `ret`: the return stack of the branch predictor belongs to the flow that was left.
    popq    %rcx
    jmp     *%rcx
2:  ldmxcsr (%rsp)
    jmp     1b
3:  fldcw   4(%rsp)
    jmp     4b
    .cfi_endproc
    .size   netpoll_context_switch, .-netpoll_context_switch

// First code on a new stack: entry in rbx, its argument in r12. The frame chain and the unwind information end here.
    .globl  netpoll_context_entry
    .hidden netpoll_context_entry
    .type   netpoll_context_entry, @function
    .p2align 4
netpoll_context_entry:
    .cfi_startproc
    .cfi_undefined rip
    xorl    %ebp, %ebp
    movq    %r12, %rdi
    callq   *%rbx
    ud2
    .cfi_endproc
    .size   netpoll_context_entry, .-netpoll_context_entry

    .section .note.GNU-stack, "", @progbits
